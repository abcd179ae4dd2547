"""What the comparisons with other programs share: options, a folder in memory, runs of our programs, and the count."""
import argparse
import os
import shutil
import subprocess
import tempfile

import numpy as np


class Report:
    """Counts checks, and prints what failed."""

    def __init__(self, name):
        self.name, self.passed, self.failed, self.skipped, self.refused = name, 0, 0, 0, 0

    def check(self, fine, what):
        self.passed += bool(fine)
        self.failed += not fine
        if not fine and self.failed <= 20:
            print("  FAILED: %s" % what)
        return fine

    def skip(self, why):
        self.skipped += 1
        print("  skipped: %s" % why)

    def close(self):
        """Prints the closing line, and returns the exit status."""
        skipped = ", %d skipped" % self.skipped if self.skipped else ""
        print("%s: %d passed, %d failed%s" % (self.name, self.passed, self.failed, skipped))
        return int(self.failed > 0 or self.passed == 0)


class Bench:
    """The command line --count N --seed N --only I, a temporary folder, and a generator of random numbers for each case."""

    def __init__(self, name, description):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--count", type=int, default=1000, help="how many random files (default: 1000)")
        parser.add_argument("--seed", type=int, default=1, help="of the random files; a failure names its case")
        parser.add_argument("--only", type=int, help="one case alone, whose files are kept")
        parser.add_argument("--build", default=os.environ.get("BUILD", "build"), help="the build under test")
        self.options = parser.parse_args()
        self.name, self.report = name, Report(name)
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where nobody waits for a disk
        self.folder = tempfile.mkdtemp(prefix="dit-strangers-", dir=os.environ.get("DIT_TMP", memory))

    def path(self, name):
        return os.path.join(self.folder, name)

    def program(self, name):
        return os.path.join(self.options.build, name)

    def cases(self):
        """(name of the case, its generator of random numbers)."""
        only = self.options.only
        for i in range(self.options.count) if only is None else [only]:
            yield i, np.random.default_rng([self.options.seed, i])

    def run(self, program, *arguments):
        return subprocess.run([self.program(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors="replace", timeout=900, close_fds=False)

    def close(self):
        if self.options.only is None:
            shutil.rmtree(self.folder)
        else:
            print("  note: files are kept in %s" % self.folder)
        return self.report.close()


def is_clear_no(done, program, status=(1,)):
    """Whether a program refused with a sentence."""
    return done.returncode in status and done.stderr.startswith(program + ": ") and len(done.stderr) > 20
