"""Words that do not appear: functions with a safer sibling, paths of one machine, addresses of registries."""

import re

from tree import Finding, all_files, c_files, code_of, name_of, text_of

BANNED_CALLS = {
    "strcpy": "bytes_append or mem_copy_string",
    "strcat": "bytes_append",
    "strncpy": "bytes_append or memcpy with a size",
    "strncat": "bytes_append",
    "sprintf": "snprintf or bytes_append_format",
    "vsprintf": "vsnprintf",
    "gets": "a bounded read",
    "strtok": "a loop over memchr, or strtok_r",
    "atoi": "strtol with its end and errno checked",
    "atol": "strtol with its end and errno checked",
    "atoll": "strtoll with its end and errno checked",
    "atof": "strtod with its end and errno checked",
    "scanf": "a parser that checks the whole input",
    "sscanf": "a parser that checks the whole input",
    "alloca": "memory with a stated maximum",
    "system": "posix_spawn with an argument vector",
    "popen": "posix_spawn with an argument vector",
    "mktemp": "mkstemp",
    "tmpnam": "mkstemp",
    "rand": "id.h: bits that cannot be guessed",
    "srand": "id.h: bits that cannot be guessed",
    "gmtime": "gmtime_r",
    "localtime": "localtime_r",
    "usleep": "wait for the event itself",
}
ONLY_IN = [
    (r"\b(malloc|calloc|realloc|strdup|strndup|asprintf|vasprintf)\s*\(", "src/base/mem", "mem.h: it says what happens when memory ends"),
    (r"\bpthread_(mutex|cond|rwlock|spin)_\w+", "src/base/", "a mailbox (base/mailbox.h): threads share nothing else"),
]
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(home|Users|root|work|mnt|media)/[\w.-]+")
REGISTRY = re.compile(r"//[\w.-]*(registry\.|pypi|npmjs|pythonhosted|crates\.|deb\.debian|archive\.ubuntu)[\w.-]*", re.I)
# Tests may use what the rules above keep out: they run under AddressSanitizer, which sees a wrong use of it.
TEST_FILE = re.compile(r"_test(_\w+)?\.[ch]$")
SOURCE_OF_WORDS = "tools/tidy/words.py"


def check_calls():
    banned = re.compile(r"(?<![\w.>])(" + "|".join(BANNED_CALLS) + r")\s*\(")
    for path in c_files():
        if TEST_FILE.search(path.name):
            continue
        for number, line in enumerate(code_of(path).splitlines(), 1):
            for found in banned.finditer(line):
                name = found.group(1)
                yield Finding(path, number, f"{name}() is not used here", f"use {BANNED_CALLS[name]}")
            for pattern, home, remedy in ONLY_IN:
                found = re.search(pattern, line)
                if found and path.suffix == ".c" and not name_of(path).startswith(home):
                    yield Finding(path, number, f"{found.group(0).rstrip('( ')} outside {home}", f"use {remedy}")


def check_places():
    """The repository speaks of the product alone, and works on any machine and with any mirror."""
    for path in all_files():
        text = text_of(path)
        if text is None or name_of(path) == SOURCE_OF_WORDS:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if found := MACHINE_PATH.search(line):
                yield Finding(path, number, f"{found.group(0)} is a path of one machine", "use a relative path, $HOME or a temporary folder")
            if found := REGISTRY.search(line):
                remedy = "name the package only; for npm set omit-lockfile-registry-resolved=true in .npmrc"
                yield Finding(path, number, f"{found.group(0)} names a registry", remedy)
