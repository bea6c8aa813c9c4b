"""Checks of the house: what reviews would say again and again. Each prints where, what, and what to do.

    main.py [NAME...]    one line for each check, its findings above it; exit code 1 if there are any
"""

import sys

import compatibility
import includes
import layout
import sizes
import words

CHECKS = {
    "includes": includes.check,
    "file sizes": sizes.check_files,
    "function lengths": sizes.check_functions,
    "calls": words.check_calls,
    "paths and registries": words.check_places,
    "headers": layout.check_headers,
    "white space": layout.check_space,
    "dead sources": layout.check_sources_are_built,
    "links": layout.check_links,
    "scripts": layout.check_scripts,
    "format": layout.check_format,
    "compatibility": compatibility.check,
}


def run_checks(names, write=print):
    """Runs the named checks and returns (passed, failed)."""
    failed = 0
    for name in names:
        findings = list(CHECKS[name]())
        for finding in findings:
            write(str(finding))
        write(f"{'ok    ' if not findings else 'FAILED'} {name}" + (f": {len(findings)} to mend" if findings else ""))
        failed += bool(findings)
    return len(names) - failed, failed


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(CHECKS)
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: no such check; there are: {', '.join(CHECKS)}")
    sys.exit(run_checks(sys.argv[1:] or list(CHECKS))[1] > 0)
