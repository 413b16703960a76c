//! The registry, asked without the program under test, and a builder that is not the engine's own.

use std::collections::BTreeSet;
use std::io::{Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;

use sandbox::RegistryFault;
use serde_json::Value;

use super::{World, sandbox};

impl World {
    /// The digest and the revision of what the registry has under a name.
    pub(crate) fn pushed(&self, image: &str) -> Option<(String, String)> {
        let format = r#"{"manifest":{{json .Manifest}},"image":{{json .Image}}}"#;
        let mut command = self.real_docker(&["buildx", "imagetools", "inspect", "--format", format, image]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(error.contains("not found"), "{error}");
            return None;
        }
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let label = &found["image"]["config"]["Labels"]["org.opencontainers.image.revision"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some((text(&found["manifest"]["digest"]), text(label)))
    }

    /// Everything that the engine of this world has; it lists images of the same second in any order.
    pub(crate) fn images(&self) -> BTreeSet<String> {
        let all = self.docker(&["image", "ls", "--all", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"]);
        all.lines().map(str::to_owned).collect()
    }
}

/// Makes the registry fail until this is dropped.
pub(crate) struct BrokenRegistry;

impl BrokenRegistry {
    pub(crate) fn new(fault: RegistryFault) -> Self {
        sandbox().registry().set_fault(fault).unwrap();
        Self
    }
}

impl Drop for BrokenRegistry {
    fn drop(&mut self) {
        sandbox().registry().set_fault(RegistryFault::None).unwrap();
    }
}

/// The BuildKit of an engine behind a port, as a daemon of its own has it: for buildx's driver `remote`.
pub(crate) struct RemoteBuilder {
    pub(crate) address: String,
}

impl RemoteBuilder {
    /// Opens the port; it is open as long as the tests run.
    pub(crate) fn of(world: &World) -> Self {
        let socket = world.var("DOCKER_HOST").strip_prefix("unix://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let socket = socket.clone();
                thread::spawn(move || connect(client, &socket));
            }
        });
        Self { address }
    }
}

/// Passes on a connection to what the engine has behind `/grpc`.
fn connect(client: TcpStream, socket: &str) {
    let mut engine = UnixStream::connect(socket).unwrap();
    engine.write_all(b"POST /grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        engine.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let (mut from_client, mut to_engine) = (client.try_clone().unwrap(), engine.try_clone().unwrap());
    thread::spawn(move || {
        let _ = copy(&mut from_client, &mut to_engine);
        let _ = to_engine.shutdown(Shutdown::Both);
    });
    let mut to_client = client;
    let _ = copy(&mut engine, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
}
