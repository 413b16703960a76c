//! Programs in front of the real ones, to hold a run at a phase, and the processes that a killed run leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Running, World, until};

impl World {
    /// Puts a program before the real one. `body` sees the arguments as `$*`, can call `hold`, which waits for
    /// [`World::release`] the first time, and `real`; where it does not exit, the real program runs.
    pub(crate) fn shim(&self, program: &str, body: &str) {
        let root = self.root.path().display();
        let script = format!(
            "#!/bin/sh\nworld='{root}'\n\
             real() {{ PATH=${{PATH#\"$world/bin:\"}} {program} \"$@\"; }}\n\
             hold() {{ mkdir \"$world/held\" 2> /dev/null && read -r _ < \"$world/go\"; }}\n\
             printf '%s\\n' \"$*\" >> \"$world/calls-{program}\"\n\
             {body}\n\
             PATH=${{PATH#\"$world/bin:\"}} exec {program} \"$@\"\n"
        );
        let _ = nix::unistd::mkfifo(&self.path("go"), nix::sys::stat::Mode::S_IRWXU);
        let _ = fs::remove_dir(self.path("held"));
        // Renamed, so that nothing ever runs half of it.
        let temporary = self.path("shim");
        fs::write(&temporary, script).unwrap();
        fs::set_permissions(&temporary, PermissionsExt::from_mode(0o755)).unwrap();
        fs::rename(temporary, self.path("bin").join(program)).unwrap();
    }

    /// Takes the shim away.
    pub(crate) fn unshim(&self, program: &str) {
        fs::remove_file(self.path("bin").join(program)).unwrap();
    }

    /// The command lines that went through a shim.
    pub(crate) fn calls(&self, program: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(&format!("calls-{program}"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a shim holds.
    #[track_caller]
    pub(crate) fn until_held(&self, running: &mut Running) {
        until("a shim holds", || {
            assert!(!running.has_ended(), "it ended before: {}", running.stderr());
            self.path("held").exists()
        });
    }

    /// Lets the shim go on that holds.
    pub(crate) fn release(&self) {
        fs::write(self.path("go"), "go\n").unwrap();
    }

    /// Ends every process that belongs to this world: what a killed run left behind, as a reboot would.
    pub(crate) fn end_orphans(&self) {
        let root = self.root.path().display().to_string();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let cmdline = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&cmdline).contains(&root) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                until("a process is gone", || !Path::new(&format!("/proc/{pid}/cmdline")).exists() || is_zombie(pid));
            }
        }
    }
}

fn is_zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
