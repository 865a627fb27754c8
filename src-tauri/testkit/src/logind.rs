//! A system bus of a test's own, with a logind on it that does what it is told: it hands out what keeps a machine from going
//! down, and says that it goes down.
//!
//! Refuses: the real one. Nothing here can end a machine.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::runtime::Runtime;
use zbus::Connection;
use zbus::connection::Builder;
use zbus::object_server::SignalEmitter;

/// So long is somebody waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bus that lets everybody have any name and say anything.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy>
</busconfig>
"#;

const PATH: &str = "/org/freedesktop/login1";

/// Something that keeps the machine from going down, as long as whoever asked for it has its other end.
#[derive(Debug)]
pub struct Delay {
    /// What it keeps from happening, who asked for it, and how: a delay or a block.
    pub asked: (String, String, String),
    end: std::fs::File,
}

impl Delay {
    /// Waits until whoever asked for it lets go.
    ///
    /// # Panics
    /// If that cannot be heard.
    pub fn until_let_go(&mut self) {
        let mut rest = Vec::new();
        if let Err(error) = self.end.read_to_end(&mut rest) {
            panic!("{error}");
        }
    }
}

struct Answers {
    asked: Sender<Delay>,
}

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Answers {
    fn inhibit(
        &self,
        what: String,
        who: String,
        _why: String,
        mode: String,
    ) -> zbus::fdo::Result<zbus::OwnedFd> {
        let failed = |error: std::io::Error| zbus::fdo::Error::Failed(error.to_string());
        let (ours, theirs) = std::io::pipe().map_err(failed)?;
        let end = std::fs::File::from(OwnedFd::from(ours));
        // Nobody listens once the test is over.
        let _over = self.asked.send(Delay { asked: (what, who, mode), end });
        Ok(OwnedFd::from(theirs).into())
    }

    #[zbus(signal)]
    async fn prepare_for_shutdown(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;
}

/// The bus and its logind.
#[derive(Debug)]
pub struct Logind {
    runtime: Runtime,
    bus: Child,
    address: String,
    connection: Connection,
    asked: Receiver<Delay>,
}

impl Logind {
    /// Begins both; the bus's settings are written into a folder.
    ///
    /// # Panics
    /// If there is no bus.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let settings = folder.join("system-bus.conf");
        std::fs::write(&settings, BUS).unwrap_or_else(|error| panic!("{}: {error}", settings.display()));
        let mut bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", settings.display()))
            .args(["--nofork", "--print-address"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("no dbus-daemon ({error}): cargo xtask test installs it"));
        let mut address = String::new();
        if let Some(out) = bus.stdout.take() {
            let _none_said = BufReader::new(out).read_line(&mut address);
        }
        let address = address.trim().to_owned();
        assert!(!address.is_empty(), "the bus ended before it had an address");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap_or_else(|error| panic!("no runtime: {error}"));
        let (tells, asked) = channel();
        let serves = async {
            Builder::address(address.as_str())
                .name("org.freedesktop.login1")
                .serve_at(PATH, Answers { asked: tells })
                .build()
                .await
        };
        let connection = runtime.block_on(serves).unwrap_or_else(|error| panic!("no logind: {error}"));
        Self { runtime, bus, address, connection, asked }
    }

    /// Where programs find this bus: the value of `DBUS_SYSTEM_BUS_ADDRESS`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next that was asked for.
    ///
    /// # Panics
    /// If nobody asks.
    #[must_use]
    pub fn delay(&self) -> Delay {
        self.asked.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nobody asked that the machine waits"))
    }

    /// Says that the machine goes down, or after all does not.
    ///
    /// # Panics
    /// If the bus is gone.
    pub fn goes_down(&self, does: bool) {
        let says =
            async { Answers::prepare_for_shutdown(&SignalEmitter::new(&self.connection, PATH)?, does).await };
        self.runtime.block_on(says).unwrap_or_else(|error| panic!("nobody could be told: {error}"));
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        let _gone_already = self.bus.kill();
        let _reaped = self.bus.wait();
    }
}
