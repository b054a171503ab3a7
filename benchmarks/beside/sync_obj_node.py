"""One of three processes of PySyncObj; runs in the venv that has it, told by its standard input.

    sync_obj_node.py OWN_ADDRESS OTHER_ADDRESS OTHER_ADDRESS batch|single

A line `times N` makes N writes one after the other, `rate N SECONDS` keeps N outstanding; each is
answered by one line of JSON.
"""

import json
import sys
import threading
import time

from pysyncobj import SyncObj, SyncObjConf
from pysyncobj.batteries import ReplDict

LEADER = 2


def main():
    own, *others, mode = sys.argv[1:]
    settings = ReplDict()
    conf = SyncObjConf(appendEntriesUseBatch=mode == "batch", dynamicMembershipChange=False)
    node = SyncObj(own, others, conf, consumers=[settings])
    for line in sys.stdin:
        command, *numbers = line.split()
        while not node.isReady():
            time.sleep(0.05)
        if command == "leader":
            print(json.dumps(node.getStatus()["state"] == LEADER), flush=True)
        elif command == "times":
            print(json.dumps(times(settings, int(numbers[0]))), flush=True)
        else:
            print(json.dumps(rate(settings, int(numbers[0]), float(numbers[1]))), flush=True)


def times(settings, count):
    found = []
    for number in range(count):
        begun_at = time.perf_counter()
        settings.set("KEY_0", str(number), sync=True)
        found.append(time.perf_counter() - begun_at)
    return sorted(found)


def rate(settings, outstanding, seconds):
    """Writes per second with so many of them under way, as threads that each wait would have."""
    done = []
    end = time.perf_counter() + seconds

    def work():
        count = 0
        while time.perf_counter() < end:
            settings.set("KEY_0", str(count), sync=True)
            count += 1
        done.append(count)

    begun_at = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(outstanding)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begun_at)


if __name__ == "__main__":
    main()
