#!/usr/bin/env python3
"""Stands in for systemctl and journalctl of a user: starts and stops the real program of the unit file, as often as
Restart=always would, and listens where NOTIFY_SOCKET says. Its state is in the folder FAKE_SYSTEMD."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

STATE = os.environ["FAKE_SYSTEMD"]
UNIT = os.path.join(os.environ["XDG_CONFIG_HOME"], "systemd/user/openwit.service")


def path(name):
    return os.path.join(STATE, name)


def read(name, fallback=""):
    try:
        with open(path(name)) as file:
            return file.read().strip()
    except FileNotFoundError:
        return fallback


def write(name, text):
    with open(path(name) + ".tmp", "w") as file:
        file.write(str(text))
    os.replace(path(name) + ".tmp", path(name))


def setting(name):
    with open(UNIT) as file:
        for line in file:
            if line.startswith(name + "="):
                return line.strip().split("=", 1)[1].replace("%%", "%").replace("$$", "$")
    return None


def environment():
    variables = dict(os.environ, NOTIFY_SOCKET=path("notify"), WATCHDOG_USEC="2000000")
    try:
        with open(setting("EnvironmentFile").lstrip("-")) as file:
            for line in file:
                name, found, value = line.strip().partition("=")
                if found and not name.startswith("#"):
                    variables[name] = value
    except FileNotFoundError:
        pass
    return variables


def listen():
    if os.path.exists(path("notify")):
        os.remove(path("notify"))
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(path("notify"))
    with open(path("notices"), "a") as notices:
        while True:
            notices.write(ear.recv(65536).decode().replace("\n", " | ") + "\n")
            notices.flush()


def supervise():
    """Runs until SIGTERM, which it passes on and waits for."""
    stopping = threading.Event()
    child = None

    def stop(*_):
        stopping.set()
        if child is not None and child.poll() is None:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=listen, daemon=True).start()
    ends = 0
    with open(path("log"), "a") as log:
        while not stopping.is_set():
            before = setting("ExecStartPre")
            check = subprocess.run(shlex.split(before.lstrip("-")), env=environment(), stdout=log, stderr=log)
            if (check.returncode == 0 or before.startswith("-")) and not stopping.is_set():
                child = subprocess.Popen(
                    shlex.split(setting("ExecStart")), env=environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
                )
                write("main", child.pid)
                status = child.wait()
                log.write("ended with status %d\n" % status)
                log.flush()
                write("status", status)
            if not stopping.is_set():
                ends += 1
                write("restarts", ends)
                time.sleep(0.2)
    os.remove(path("supervisor"))


def alive():
    pid = read("supervisor")
    return pid != "" and os.path.exists("/proc/" + pid)


def start():
    if alive():
        return
    write("restarts", 0)
    null = subprocess.DEVNULL
    child = subprocess.Popen([sys.executable, __file__, "supervise"], stdin=null, stdout=null, stderr=null, start_new_session=True)
    write("supervisor", child.pid)


def stop():
    if not alive():
        return
    os.kill(int(read("supervisor")), signal.SIGTERM)
    deadline = time.time() + float(setting("TimeoutStopSec"))
    while alive() and time.time() < deadline:
        time.sleep(0.02)


def main(words):
    write("commands", read("commands") + "\n" + " ".join(words))
    words = [word for word in words if word not in ("--user", "--now", "--no-block", "--value")]
    command = words[0]
    if command == "supervise":
        return supervise()
    if command in ("daemon-reload", "enable", "reset-failed"):
        return 0
    if command == "is-active":
        print("active" if alive() else "inactive")
        return 0 if alive() else 3
    if command == "show":
        values = {"NRestarts": read("restarts", "0"), "ActiveState": "active" if alive() else "inactive"}
        print(values[words[1].split("=")[1]])
        return 0
    if command == "reload":
        os.kill(int(read("main")), signal.SIGHUP)
        return 0
    if command in ("stop", "restart", "disable"):
        stop()
    if command in ("start", "restart"):
        start()
    return 0


if os.path.basename(sys.argv[0]) == "journalctl":
    print("\n".join(read("log").split("\n")[-15:]))
    sys.exit(0)
sys.exit(main(sys.argv[1:]) or 0)
