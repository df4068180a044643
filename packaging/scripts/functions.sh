# What the packages do beside unpacking: one text for deb, rpm and Arch, in front of each format's own lines.

user=gitlab-runner

# The user of shell jobs, as gitlab-runner's packages make it; one that is there is kept, also at removal.
pyrunner_make_user() {
    if getent passwd "$user" >/dev/null; then
        return 0
    fi
    # Without skeleton: a .bash_logout that clears the screen fails each job of the shell executor.
    useradd --system --user-group --comment 'GitLab Runner' --create-home --home-dir "/home/$user" \
        --skel /dev/null --shell /bin/bash "$user"
}

pyrunner_make_folders() {
    # Tokens live here; the mode of a folder that is there is its owner's affair.
    [ -d /etc/gitlab-runner ] || install -d -m 0700 /etc/gitlab-runner
}

pyrunner_has_systemd() {
    [ -d /run/systemd/system ]
}

pyrunner_installed() {
    pyrunner_make_user
    pyrunner_make_folders
    if ! pyrunner_has_systemd; then
        echo 'pyrunner: no systemd here; /usr/share/pyrunner has services for OpenRC and runit' >&2
        return 0
    fi
    systemctl daemon-reload || true
    # Both would take turns in getting the jobs of one config.toml.
    if systemctl is-active --quiet gitlab-runner.service || systemctl is-enabled --quiet gitlab-runner.service 2>/dev/null; then
        echo 'pyrunner: gitlab-runner is in service and stays so; switch over when it suits you: pyrunner migrate' >&2
        return 0
    fi
    systemctl enable --quiet pyrunner.service || true
    systemctl start pyrunner.service || echo 'pyrunner: the service does not start; see: journalctl -u pyrunner' >&2
}

# Running jobs live on: the new manager takes them up.
pyrunner_upgraded() {
    pyrunner_make_user
    pyrunner_make_folders
    if pyrunner_has_systemd; then
        systemctl daemon-reload || true
        systemctl try-restart pyrunner.service ||
            echo 'pyrunner: the service does not start again; see: journalctl -u pyrunner' >&2
    fi
}

# Nobody will take the jobs up, so they are aborted and reported while there is still a program to do it.
pyrunner_removing() {
    if pyrunner_has_systemd; then
        pyrunner stop --abort --service pyrunner || systemctl stop pyrunner.service || true
        systemctl disable --quiet pyrunner.service || true
    fi
}

pyrunner_removed() {
    if pyrunner_has_systemd; then
        systemctl daemon-reload || true
        systemctl reset-failed pyrunner.service 2>/dev/null || true
    fi
}

# /etc/gitlab-runner, the user with its home, and the builds below each entry's root stay: they may be gitlab-runner's.
pyrunner_purged() {
    rm -rf /var/lib/pyrunner /etc/systemd/system/pyrunner.service.d
}
