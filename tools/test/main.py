"""Runs the tests. ./test has done the set-up before.

    ./test [PART...] [-- PYTEST ARGUMENTS]

    house     checks of the tree (tools/tidy), and the build with the second compiler
    unit      unit tests beside the sources, under AddressSanitizer + UBSan and under ThreadSanitizer
    ui        the page: types, lint, unit tests, size
    program   tests/ on the fake engine, under AddressSanitizer + UBSan
    thread    the same under ThreadSanitizer
    real      tests/ that need the real model (marker `real`), release build
    browser   tests/ that need a browser (marker `browser`), release build
    fuzz      the targets of fuzz/, each RUNNEL_FUZZ_SECONDS (15) from its saved corpus, three at a time

Without a part: all of them, in this order. The last line is `N passed, N failed`.
"""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".deps" / "venv" / "bin" / "python"
RESULTS = ROOT / "build" / "test-results"
LSAN_SUPPRESSIONS = ROOT / "tools" / "test" / "lsan.supp"
TSAN_SUPPRESSIONS = ROOT / "tools" / "test" / "tsan.supp"

# A tool that finds something ends the program with this code, which no test expects.
SANITIZER_EXIT = 86

# Whole-program tests on the fake engine use a tenth of a processor each.
TESTS_AT_ONCE = 2 * (os.cpu_count() or 1)


class Tally:
    """What passed and failed, by step."""

    def __init__(self):
        self.rows = []
        self.started = time.monotonic()

    def add(self, step, passed, failed, note=""):
        seconds = time.monotonic() - self.started
        self.started = time.monotonic()
        self.rows.append((step, passed, failed, seconds, note))
        print(f"-- {step}: {passed} passed, {failed} failed, {seconds:.0f} s{'; ' + note if note else ''}", flush=True)

    def finish(self):
        print()
        for step, passed, failed, seconds, note in self.rows:
            print(f"{step:24}{passed:6} passed {failed:4} failed {seconds:6.0f} s  {note}")
        passed, failed = (sum(row[column] for row in self.rows) for column in (1, 2))
        print(f"\n{passed} passed, {failed} failed", flush=True)
        return 1 if failed else 0


def heading(text):
    print(f"\n== {text}", flush=True)


def build(preset):
    """tools/setup/setup.sh is the one place that knows how to build."""
    script = 'set -euo pipefail; root=$1; source "$root/tools/setup/setup.sh"; setup_build "$2"'
    return subprocess.run(["bash", "-c", script, "build", str(ROOT), preset]).returncode == 0


def built(tally, preset):
    """Builds a preset; a broken build is one failed test of the step that needs it."""
    if build(preset):
        return True
    tally.add(f"build {preset}", 0, 1)
    return False


def sanitizer_environment(folder):
    """Reports go to files: a test that kills its server must not lose them, and stderr stays the server's own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    common = f"log_path={folder}/report:log_exe_name=1:exitcode={SANITIZER_EXIT}"
    return {
        "ASAN_OPTIONS": f"{common}:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
        "UBSAN_OPTIONS": f"{common}:print_stacktrace=1",
        "LSAN_OPTIONS": f"suppressions={LSAN_SUPPRESSIONS}:print_suppressions=0",
        "TSAN_OPTIONS": f"{common}:suppressions={TSAN_SUPPRESSIONS}:second_deadlock_stack=1",
    }


def sanitizer_reports(folder):
    """Reports that count. An engine that was told to crash, or killed with SIGSEGV by a test, is no finding."""
    found = []
    for path in sorted(folder.glob("report*")):
        text = path.read_text(errors="replace")
        wanted = "runnel-engine" in path.name and re.search(r"Sanitizer: (SEGV|ABRT|FPE|ILL|BUS) on unknown address", text)
        # Killed while it looked for leaks, on its way out.
        wanted = wanted or ("runnel-engine" in path.name and re.fullmatch(r"==\S+==Unable to get registers from thread \d+\.\s*", text))
        if text.strip() and not wanted:
            found.append((path, text))
    for path, text in found:
        print(f"sanitizer report {path.relative_to(ROOT)}:\n{text[:6000]}", flush=True)
    return len(found)


def without_address_randomisation():
    """ThreadSanitizer cannot place its shadow on kernels that randomise with more than 28 bits."""
    bits = Path("/proc/sys/vm/mmap_rnd_bits")
    try:
        is_needed = int(bits.read_text()) > 28
    except (OSError, ValueError):
        is_needed = False
    command = ["setarch", os.uname().machine, "-R"]
    if is_needed and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
        return command
    return []


def run_house(tally, _arguments):
    heading("checks of the house")
    sys.path.insert(0, str(ROOT / "tools" / "tidy"))
    import main as tidy

    tally.add("house", *tidy.run_checks(list(tidy.CHECKS)))
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "-q", "tidy_test"], cwd=ROOT / "tools" / "tidy", capture_output=True, text=True
    )
    ran = int((re.search(r"Ran (\d+) test", done.stderr) or [0, 0])[1])
    print(done.stderr if done.returncode else "", end="")
    tally.add("checks of the checks", *((ran, 0) if done.returncode == 0 and ran else (0, max(ran, 1))))
    if shutil.which("clang"):
        tally.add("clang builds", *((1, 0) if build("clang") else (0, 1)))
    else:
        tally.add("clang builds", 0, 1, "there is no clang")


def count_cmocka(text):
    passed = sum(int(count) for count in re.findall(r"\[  PASSED  \] (\d+) test", text))
    failed = sum(int(count) for count in re.findall(r"\[  FAILED  \] (\d+) test", text))
    return passed, failed


def run_unit(tally, _arguments):
    for preset in ("asan", "tsan"):
        heading(f"unit tests, {preset}")
        if not built(tally, preset):
            continue
        folder = ROOT / "build" / preset
        reports = RESULTS / f"unit-{preset}"
        env = dict(os.environ, **sanitizer_environment(reports))
        wrapper = without_address_randomisation() if preset == "tsan" else []
        log = RESULTS / f"unit-{preset}.log"
        command = [*wrapper, "ctest", "--test-dir", folder, "-V", "-j", "2", "--no-tests=ignore", "-O", log]
        subprocess.run(list(map(str, command)), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        text = log.read_text(errors="replace")
        passed, failed = count_cmocka(text)
        summary = re.search(r"(\d+) tests failed out of \d+", text)
        programs = int(summary.group(1)) if summary else 0
        # A program that crashes prints no count of its own.
        failed = max(failed, programs)
        print_failures(text)
        if passed + failed == 0:
            failed = 1
            print("no unit test ran: is libcmocka-dev installed?")
        tally.add(f"unit {preset}", passed, failed + sanitizer_reports(reports))


def print_failures(ctest_log):
    """The output of the tests that failed: ctest lists them at its end, and numbers every line with its test."""
    failed = set(re.findall(r"^\s+(\d+) - .+ \(.+\)$", ctest_log.partition("The following tests FAILED:")[2], re.M))
    for line in ctest_log.splitlines():
        found = re.match(r"(\d+): (.*)", line)
        if found and found.group(1) in failed and not re.match(r"\[ +(RUN|OK) ", found.group(2)):
            print(f"  {found.group(2)}")


def npm(*arguments):
    env = dict(os.environ, NO_COLOR="1")
    return subprocess.run(["npm", *arguments], cwd=ROOT / "ui", env=env, stdin=subprocess.DEVNULL).returncode


def run_ui(tally, _arguments):
    package = ROOT / "ui" / "package.json"
    if not package.is_file():
        return
    heading("the page")
    if not (ROOT / "ui" / "node_modules").is_dir() or not shutil.which("npm"):
        tally.add("ui", 0, 1, "npm or its packages could not be had (see above)")
        return
    scripts = json.loads(package.read_text())["scripts"]
    passed = failed = 0
    for script in ("typecheck", "lint", "size"):
        if script in scripts:
            good = npm("run", "--silent", script) == 0
            passed, failed = passed + good, failed + (not good)
            print(f"{'ok    ' if good else 'FAILED'} npm run {script}", flush=True)
    report = RESULTS / "vitest.json"
    report.unlink(missing_ok=True)
    code = npm("run", "--silent", "test", "--", "--reporter=dot", "--reporter=json", f"--outputFile.json={report}")
    counts = json.loads(report.read_text()) if report.is_file() else {}
    failed_tests = counts.get("numFailedTests", 0) + (1 if code and not counts.get("numFailedTests") else 0)
    tally.add("ui", passed + counts.get("numPassedTests", 0), failed + failed_tests)


def pytest(preset, marks, report, arguments, env):
    """One run over tests/ on one build, which RUNNEL_BUILD names. Returns how many tests passed, failed and were skipped."""
    report.unlink(missing_ok=True)
    wrapper = without_address_randomisation() if preset == "tsan" else []
    command = [*wrapper, PYTHON, "-m", "pytest", "tests", "-q", "-m", marks, f"--junitxml={report}", *arguments]
    environment = dict(os.environ, RUNNEL_BUILD=str(ROOT / "build" / preset), **(env or {}))
    code = subprocess.run(list(map(str, command)), cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode
    passed = failed = skipped = 0
    if report.is_file():
        for suite in xml.etree.ElementTree.parse(report).iter("testsuite"):
            count = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
            failed += count["failures"] + count["errors"]
            skipped += count["skipped"]
            passed += count["tests"] - count["failures"] - count["errors"] - count["skipped"]
    # 5: nothing was collected, which is nothing to fail.
    return passed, failed or (1 if code not in (0, 5) else 0), skipped


def run_pytest(tally, step, preset, marks, arguments, env=None, n_at_once=1):
    """tests/ on one build. Most tests wait for timers and gates: several run at once, and then those that compare times (`alone`)."""
    if not (ROOT / "tests").is_dir():
        return
    heading(f"{step}: tests/ on build/{preset}")
    if not PYTHON.is_file() or subprocess.run([PYTHON, "-c", "import pytest"], capture_output=True).returncode != 0:
        tally.add(step, 0, 1, "the packages of tests/requirements.txt could not be had (see above)")
        return
    if not built(tally, preset):
        return
    runs = [(marks, [])]
    if n_at_once > 1:
        runs = [(f"({marks}) and not alone", ["-n", n_at_once, "--dist", "worksteal"]), (f"({marks}) and alone", [])]
    counts = [
        pytest(preset, run_marks, RESULTS / f"{step}-{number}.xml", [*flags, *arguments], env)
        for number, (run_marks, flags) in enumerate(runs)
    ]
    passed, failed, skipped = map(sum, zip(*counts))
    if env:
        failed += sanitizer_reports(RESULTS / step)
    tally.add(step, passed, failed, f"{skipped} skipped" if skipped else "")


def run_program(tally, arguments):
    run_pytest(tally, "program", "asan", "not real and not browser", arguments, sanitizer_environment(RESULTS / "program"), TESTS_AT_ONCE)


def run_thread(tally, arguments):
    run_pytest(tally, "thread", "tsan", "not real and not browser", arguments, sanitizer_environment(RESULTS / "thread"), TESTS_AT_ONCE)


def run_real(tally, arguments):
    run_pytest(tally, "real", "release", "real and not browser", arguments)


def run_browser(tally, arguments):
    run_pytest(tally, "browser", "release", "browser", arguments)


def fuzz_target(target, seconds):
    """Runs one; what it found that is new stays in build/, and is no part of the tree. Returns how it ended, and its output."""
    name = target.name
    found = RESULTS / "fuzz" / name
    shutil.rmtree(found, ignore_errors=True)
    (found / "corpus").mkdir(parents=True)
    command = [target, f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1"]
    command += [f"-artifact_prefix={found}/"]
    dictionary = ROOT / "fuzz" / "dictionaries" / name
    command += [f"-dict={dictionary}"] if dictionary.is_file() else []
    command += [found / "corpus", ROOT / "fuzz" / "corpus" / name]
    env = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1", LSAN_OPTIONS=f"suppressions={LSAN_SUPPRESSIONS}:print_suppressions=0")
    limit = seconds * 2 + 120
    try:
        done = subprocess.run(list(map(str, command)), cwd=found, env=env, capture_output=True, timeout=limit, stdin=subprocess.DEVNULL)
        return done.returncode, done.stderr.decode(errors="replace")
    except subprocess.TimeoutExpired as expired:
        return 1, (expired.stderr or b"").decode(errors="replace") + f"\nstill running after {limit} s"


def run_fuzz(tally, _arguments):
    heading("fuzz")
    if not built(tally, "fuzz"):
        return
    folder = ROOT / "build" / "fuzz" / "fuzz"
    targets = [folder / source.stem for source in sorted((ROOT / "fuzz").glob("*.c"))]
    seconds = int(os.environ.get("RUNNEL_FUZZ_SECONDS", "15"))
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for target, (code, text) in zip(targets, pool.map(lambda target: fuzz_target(target, seconds), targets)):
            runs = (re.search(r"number_of_executed_units: (\d+)", text) or [0, 0])[1]
            print(f"{'FAILED' if code else 'ok    '} {target.name}: {runs} runs", flush=True)
            passed, failed = passed + (code == 0), failed + (code != 0)
            if code:
                print(text[-4000:], flush=True)
                for crash in sorted(path for path in (RESULTS / "fuzz" / target.name).iterdir() if path.is_file()):
                    print(f"{crash.relative_to(ROOT)}: {crash.read_bytes()[:1000]!r}", flush=True)
    tally.add("fuzz", passed, failed)


PARTS = {
    "house": run_house,
    "unit": run_unit,
    "ui": run_ui,
    "program": run_program,
    "thread": run_thread,
    "real": run_real,
    "browser": run_browser,
    "fuzz": run_fuzz,
}


def main():
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(__doc__)
        return 0
    extra = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    names = arguments[: arguments.index("--")] if "--" in arguments else arguments
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"{', '.join(unknown)}: no such part; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    if not names or "house" in names:
        heading("build")
        tally.add("release builds", *((1, 0) if build("release") else (0, 1)))
    for name, part in PARTS.items():
        if not names or name in names:
            part(tally, extra)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
