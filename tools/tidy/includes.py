"""The include table of ARCHITECTURE.md: who may include whom, and which folder knows which library."""

import re

from tree import ROOT, Finding, c_files, name_of, text_of

# Folder of src/ -> what its files may include from the tree (a folder, or one header of it).
ALLOWED = {
    "src/base": {"base/"},
    "src/access": {"access/", "base/"},
    "src/download": {"base/", "download/"},
    "src/net": {"base/", "net/"},
    "src/engine": {"base/", "engine/"},
    "src/store": {"base/", "store/"},
    "src/chat": {"base/", "chat/", "engine/engine.h", "engine/inspector.h", "store/store.h"},
    "src/api": {"base/", "access/", "api/", "chat/", "download/", "net/"},
    "src/app": {"base/", "access/", "download/", "net/", "engine/", "store/", "chat/", "api/", "app/"},
}
ENGINES_ALLOWED = {"base/", "common/"}

# Within what a folder may include: headers that it does not, and why.
FORBIDDEN = {"src/net": {"base/json.h": "net moves bytes and does not know what JSON means"}}

# Headers of libraries -> the only folders that know them.
LIBRARIES = [
    (r"wslay/.*|sha1\.h|openssl/.*", ("src/net",)),
    (r"sha2\.h", ("src/access", "src/chat", "src/download")),
    (r"sqlite3(ext)?\.h", ("src/store",)),
    (r"curl/.*", ("src/download",)),
    (r"(llama|ggml|gguf|chat|common|log|sampling|minja|nlohmann)(-[a-z]+)?(\.h|/.*)", ("engines/llama",)),
    (r"xxhash\.h", ("engines/llama",)),
    (r"jansson\.h", ("src/base", "src/engine", "src/store", "src/chat", "src/api", "src/app", "engines/")),
    (r"cmocka\.h", ("src/", "engines/")),
]


def folder_of(path):
    return "/".join(name_of(path).split("/")[:2])


def own_include_is_allowed(folder, header, path):
    if folder in FORBIDDEN and header in FORBIDDEN[folder]:
        return False
    if folder.startswith("engines/"):
        allowed = ENGINES_ALLOWED | {folder.removeprefix("engines/") + "/"}
        if "/" not in header and (path.parent / header).is_file():
            return True
    else:
        allowed = ALLOWED.get(folder, set())
    return any(header == entry or (entry.endswith("/") and header.startswith(entry)) for entry in allowed)


def library_folders(header):
    for pattern, folders in LIBRARIES:
        if re.fullmatch(pattern, header):
            return folders
    return None


def check():
    for path in c_files():
        folder = folder_of(path)
        for number, line in enumerate(text_of(path).splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not found:
                continue
            header = found.group(2)
            in_tree = (ROOT / "src" / header).is_file() or (ROOT / "engines" / header).is_file()
            in_tree = in_tree or (found.group(1) == '"' and (path.parent / header).is_file())
            folders = library_folders(header)
            if folders and not in_tree:
                if not folder.startswith(folders) and not (folder + "/").startswith(folders):
                    yield Finding(
                        path, number, f"{folder} includes {header}", f"only {', '.join(folders)} may; ask that folder for what is needed"
                    )
            elif in_tree and not own_include_is_allowed(folder, header, path):
                reason = FORBIDDEN.get(folder, {}).get(header, "the include table (ARCHITECTURE.md) does not allow it")
                yield Finding(path, number, f"{folder} includes {header}", f"{reason}: move the code, or pass what is needed in")
            elif found.group(1) == '"' and not in_tree:
                yield Finding(path, number, f'"{header}" is no file of the tree', "use <...> for a library, or mend the path")
