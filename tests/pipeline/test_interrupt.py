import subprocess
import sys

DROPPED = """
import os, signal
from tlpipe.pipeline import interrupt
interrupt.install()
class Dropper:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(100_000))
dropper = Dropper()
del dropper
print("dropped", flush=True)
try:
    interrupt.check()
except KeyboardInterrupt:
    raise SystemExit(7)
"""


def test_a_ctrl_c_that_python_drops_is_raised_at_the_next_step():
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True)
    assert done.stdout == "dropped\n"
    assert done.returncode == 7
