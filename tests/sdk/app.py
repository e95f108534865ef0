"""A program under Debian's sentry-sdk: DSN. Transactions with profiles, an error."""
import sys
import threading
import time

import sentry_sdk

sentry_sdk.init(dsn=sys.argv[1], release="sdk-python@1", environment="debian",
                traces_sample_rate=1.0, _experiments={"profiles_sample_rate": 1.0})


def burn(seconds):
    until = time.monotonic() + seconds
    x = 0.0
    while time.monotonic() < until:
        x += 1
    return x


def job(number):
    with sentry_sdk.start_transaction(op="task", name=f"job-{number}"):
        burn(.3)


for number in range(2):
    job(number)
threads = [threading.Thread(target=burn, args=(.3,), name="helper")]
threads[0].start()
job(2)
threads[0].join()
try:
    raise ValueError("on purpose")
except ValueError:
    sentry_sdk.capture_exception()
sentry_sdk.flush(10)
