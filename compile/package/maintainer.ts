/**
 * What dpkg runs when the package is installed, upgraded and removed (Debian policy, chapter 6).
 *
 * - Before a version is believed it is tried: as the user of the service, on a folder and ports of its own, it must answer
 *   a query. That needs no systemd, so it holds in a container and in a chroot too.
 * - An upgrade that does not pass, whose configuration is refused, or whose service does not start, puts the executable of
 *   the last version back and fails: dpkg calls the package half-configured then, and the box goes on as it was.
 * - A removal keeps configuration and data. A purge removes the configuration, and keeps the data unless
 *   OPENWIT_PURGE_DATA=yes says otherwise: no package manager should be able to lose years of records by a slip.
 */
import { addonName, libraryName } from "../native/load.ts";

export const libraryFolder = "/usr/lib/openwit";

const head = `#!/bin/sh
set -e
lib=${libraryFolder}
kept=$lib/.before-upgrade
refused=$lib/.refused
parts="openwit ${libraryName} ${addonName}"
`;

const preinst = `${head}
case "$1" in
  upgrade)
    rm -rf "$kept" "$refused"
    mkdir -p "$kept"
    # dpkg renames new files into place, so a second link keeps the old ones without taking room.
    for part in $parts; do
      if [ -e "$lib/$part" ]; then cp -pl "$lib/$part" "$kept/" 2>/dev/null || cp -p "$lib/$part" "$kept/"; fi
    done
    ;;
  install) rm -rf "$kept" "$refused" ;;
esac
`;

const postinst = `${head}
# No function: of one that runs beside us the shell knows the process of a shell, and not the one to end.
as_service="setpriv --reuid=openwit --regid=openwit --clear-groups env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin"

# Whether this version answers a query on this machine.
trial() {
  place=$(mktemp -d)
  chown openwit:openwit "$place"
  $as_service "$lib/openwit" serve --config "" --data-dir "$place/data" \\
    --http 127.0.0.1:0 --otlp-http 127.0.0.1:0 --otlp-grpc 127.0.0.1:0 > "$place/log" 2>&1 &
  server=$!
  status=1
  for second in $(seq 60); do
    sleep 1
    kill -0 $server 2>/dev/null || break
    if [ -e "$place/data/run/server.json" ] && $as_service "$lib/openwit" query --data-dir "$place/data" \\
      "SELECT count(*) FROM logs" >> "$place/log" 2>&1; then status=0; break; fi
  done
  kill $server 2>/dev/null || true
  wait $server || true
  if [ $status -ne 0 ]; then sed 's/^/openwit: trial: /' "$place/log" >&2; fi
  rm -rf "$place"
  return $status
}

refuse() {
  echo "openwit: this version is not taken: $1" >&2
  if [ -n "$before" ] && [ -e "$kept/openwit" ]; then
    for part in $parts; do
      if [ -e "$kept/$part" ]; then mv -f "$kept/$part" "$lib/$part"; fi
    done
    echo "$2" > "$refused"
    if [ -d /run/systemd/system ]; then deb-systemd-invoke restart openwit.service >&2 || true; fi
    echo "openwit: the executable of version $before is back in its place, and the package is half-configured." >&2
    echo "openwit: install another version, or version $before again, to make it whole." >&2
  fi
  exit 1
}

case "$1" in
  configure)
    before=$2
    if [ -e "$refused" ]; then
      echo "openwit: this version was tried and not taken; install another one" >&2
      exit 1
    fi
    if ! getent passwd openwit > /dev/null; then
      adduser --system --group --no-create-home --home /var/lib/openwit --shell /usr/sbin/nologin openwit > /dev/null
    fi
    if [ ! -d /var/lib/openwit ]; then
      mkdir -m 0700 /var/lib/openwit
      chown openwit:openwit /var/lib/openwit
    fi
    # May hold passwords: for the service and root alone. What an administrator set otherwise stays.
    for file in /etc/openwit/openwit.yaml /etc/default/openwit; do
      if [ -z "$before" ] && [ -e "$file" ]; then chgrp openwit "$file"; fi
    done

    trial || refuse "it does not answer a query on this machine"
    if [ -n "$before" ] && ! $as_service "$lib/openwit" config check --config /etc/openwit/openwit.yaml >&2; then
      refuse "it does not take /etc/openwit/openwit.yaml"
    fi

    deb-systemd-helper unmask openwit.service > /dev/null || true
    if deb-systemd-helper --quiet was-enabled openwit.service; then
      deb-systemd-helper enable openwit.service > /dev/null || true
    else
      deb-systemd-helper update-state openwit.service > /dev/null || true
    fi
    if [ -d /run/systemd/system ]; then
      systemctl --system daemon-reload > /dev/null || true
      # Type=notify: the start has succeeded when the node is ready.
      if ! deb-systemd-invoke restart openwit.service >&2; then
        if [ -n "$before" ]; then refuse "its service does not start: journalctl -u openwit"; fi
        echo "openwit: the service does not start yet: journalctl -u openwit" >&2
      fi
    fi
    rm -rf "$kept"
    ;;
esac
`;

const prerm = `${head}
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop openwit.service >&2 || true
fi
`;

const postrm = `${head}
case "$1" in
  remove)
    rm -rf "$kept" "$refused"
    rmdir "$lib" 2>/dev/null || true
    if command -v deb-systemd-helper > /dev/null; then deb-systemd-helper mask openwit.service > /dev/null || true; fi
    ;;
  purge)
    if command -v deb-systemd-helper > /dev/null; then
      deb-systemd-helper purge openwit.service > /dev/null || true
      deb-systemd-helper unmask openwit.service > /dev/null || true
    fi
    rm -rf /var/cache/openwit
    if [ "$OPENWIT_PURGE_DATA" = yes ]; then
      rm -rf /var/lib/openwit
    elif [ -d /var/lib/openwit ]; then
      echo "openwit: data stays in /var/lib/openwit; to be rid of it: rm -r /var/lib/openwit" >&2
    fi
    ;;
esac
if [ -d /run/systemd/system ]; then systemctl --system daemon-reload > /dev/null || true; fi
`;

export const maintainerScripts: Readonly<Record<string, string>> = { preinst, postinst, prerm, postrm };
