//! What goes on and what stops when the window is closed, the engine ends, the person logs out or the machine is started
//! anew: said before it happens. What cannot be found out is said to be unknown.

use std::path::Path;
use std::process::Command;

use pilothouse_contract::ask::engine::{Fate, Survival};
use pilothouse_contract::{Answer, Fault, ask};

use super::Desk;

impl Answer<ask::engine::Survives> for Desk {
    async fn answer(&self, _: ask::engine::Survives) -> Result<Vec<Survival>, Fault> {
        let log_out = tokio::task::spawn_blocking(log_out).await.map_err(|it| Fault::bug(it.to_string()))?;
        let line = |when: &str, sessions, loops, why: &str| Survival {
            when: when.to_owned(),
            sessions,
            loops,
            why: why.to_owned(),
        };
        Ok(vec![
            line("the window is closed", Fate::GoesOn, Fate::GoesOn, "the window only shows what others do"),
            line(
                "the engine ends",
                Fate::GoesOn,
                Fate::Stops,
                "each session has a holder of its own; loops go on when the engine is there again",
            ),
            line("you log out", log_out.0, log_out.0, &log_out.1),
            line(
                "the machine is started anew",
                Fate::Stops,
                Fate::Stops,
                "no program outlives that; loops try what was under way again, and what a session said is kept",
            ),
        ])
    }
}

/// What a log-out does to programs of this user that have no terminal any more.
fn log_out() -> (Fate, String) {
    if cfg!(target_os = "macos") {
        return (Fate::Stops, "macOS ends the programs of whoever logs out".to_owned());
    }
    if !Path::new("/run/systemd/system").exists() {
        return (Fate::GoesOn, "nothing on this machine ends programs at a log-out".to_owned());
    }
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let setting = || {
        let asked = Command::new("busctl")
            .args(["get-property", "org.freedesktop.login1", "/org/freedesktop/login1"])
            .args(["org.freedesktop.login1.Manager", "KillUserProcesses"])
            .output();
        let says = asked.ok().filter(|it| it.status.success())?;
        Some(String::from_utf8_lossy(&says.stdout).contains("true"))
    };
    let lingers = || {
        let Ok(said) = Command::new("id").arg("-un").output() else { return false };
        let name = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        !name.is_empty() && Path::new("/var/lib/systemd/linger").join(name).exists()
    };
    after_log_out(&group, setting, lingers)
}

/// The same from facts: the control group, whether logind ends what a session leaves, whether the user's own services stay.
fn after_log_out(
    group: &str,
    ends_processes: impl FnOnce() -> Option<bool>,
    lingers: impl FnOnce() -> bool,
) -> (Fate, String) {
    if group.contains("/user@") {
        return if lingers() {
            (Fate::GoesOn, "your services go on after a log-out (lingering is on)".to_owned())
        } else {
            let why = "your services end with your last log-out; `loginctl enable-linger` lets them go on";
            (Fate::Stops, why.to_owned())
        };
    }
    if !group.contains("/session-") {
        return (Fate::GoesOn, "Pilothouse does not run inside a log-in session".to_owned());
    }
    match ends_processes() {
        Some(true) => {
            let why = "systemd ends what a log-in session leaves (KillUserProcesses); start the engine with \
                       `systemd-run --user --scope` and turn lingering on to let it go on";
            (Fate::Stops, why.to_owned())
        }
        Some(false) => (Fate::GoesOn, "systemd leaves what a log-in session started alone".to_owned()),
        None => {
            (Fate::Unknown, "systemd did not say whether it ends what a log-in session leaves".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_out_is_told_from_the_control_group_and_the_settings() {
        let of = |group: &str, ends: Option<bool>, lingers: bool| after_log_out(group, || ends, || lingers).0;
        assert_eq!(of("0::/user.slice/user-1000.slice/session-3.scope\n", Some(true), true), Fate::Stops);
        assert_eq!(of("0::/user.slice/user-1000.slice/session-3.scope\n", Some(false), false), Fate::GoesOn);
        assert_eq!(of("0::/user.slice/user-1000.slice/session-3.scope\n", None, false), Fate::Unknown);
        let own = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope\n";
        assert_eq!(of(own, Some(true), true), Fate::GoesOn);
        assert_eq!(of(own, Some(false), false), Fate::Stops);
        assert_eq!(of("0::/system.slice/pilothouse.service\n", Some(true), false), Fate::GoesOn);
    }
}
