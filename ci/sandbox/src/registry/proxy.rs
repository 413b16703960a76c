//! What stands before the registry: it starts it, counts bytes, and breaks connections as told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use serde_json::json;

use super::head::Head;
use super::{RegistryFault, start_program};
use crate::hub::{CONTROL, json_answer};
use crate::listener::Listener;
use crate::process::Daemon;

/// A proxy in this process; dropping it closes its port and stops the registry.
pub(crate) struct Proxy {
    listener: Listener,
    shared: Arc<Shared>,
}

/// Finds the programs of the engine.
type Programs = Box<dyn Fn() -> Result<Utf8PathBuf> + Send + Sync>;

struct Shared {
    programs: Programs,
    dir: Utf8PathBuf,
    registry: Mutex<Option<(SocketAddr, Daemon)>>,
    fault: Mutex<RegistryFault>,
    received: AtomicU64,
    sent: AtomicU64,
    requests: AtomicU64,
}

impl Proxy {
    /// Listens on this machine; the registry of `programs` starts with the first request, its data below `dir`.
    pub(crate) fn start(dir: Utf8PathBuf, programs: Programs) -> Result<Proxy> {
        let shared = Arc::new(Shared {
            programs,
            dir,
            registry: Mutex::default(),
            fault: Mutex::default(),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
            requests: AtomicU64::default(),
        });
        let proxy = Arc::clone(&shared);
        let listener = Listener::start(Ipv4Addr::LOCALHOST, move |stream| proxy.answer(stream))?;
        Ok(Proxy { listener, shared })
    }

    /// The value of `SANDBOX_REGISTRY`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // No request may start it again.
        self.listener.close();
        drop(self.shared.registry.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Shared {
    fn fault(&self) -> RegistryFault {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address of the registry, which is started now if it was not before.
    fn registry(&self) -> Result<SocketAddr> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if registry.is_none() {
            *registry = Some(start_program(&(self.programs)()?, &self.dir)?);
        }
        Ok(registry.as_ref().context("no registry")?.0)
    }

    fn answer(&self, mut client: TcpStream) -> Result<()> {
        // Clients try TLS first; an answer without it tells them what this is.
        let Some(mut head) = Head::read(&client) else {
            return Ok(client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n")?);
        };
        if let Some(control) = head.path.strip_prefix(CONTROL) {
            return self.answer_control(&mut client, control);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let fault = self.fault();
        match &fault {
            RegistryFault::Down => return Ok(()),
            &RegistryFault::Slow(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
            RegistryFault::Error => return refuse(&mut client, "500 Internal Server Error", "UNKNOWN"),
            RegistryFault::Drop(from, to) if head.method == "PUT" => head.redirect(from, to),
            RegistryFault::Lie(from, to) if head.method != "PUT" => head.redirect(from, to),
            RegistryFault::Refuse if head.uploads() => return refuse(&mut client, "403 Forbidden", "DENIED"),
            _ => {}
        }
        let limit = match fault {
            RegistryFault::Cut(bytes) if head.uploads() => bytes,
            _ => u64::MAX,
        };
        let mut registry = TcpStream::connect(self.registry()?)?;
        registry.write_all(&head.passed_on)?;
        let (mut from_client, mut to_registry) = (client.try_clone()?, registry.try_clone()?);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let whole =
                    copy(&mut head.body.as_slice().chain(&mut from_client), &mut to_registry, limit, &self.received);
                if !whole {
                    // Both see a broken connection, in the middle of what was sent.
                    let _ = to_registry.shutdown(Shutdown::Both);
                    let _ = from_client.shutdown(Shutdown::Both);
                }
            });
            copy(&mut registry, &mut client, u64::MAX, &self.sent);
            // The answer is complete, so nothing that the client still sends is wanted.
            let _ = client.shutdown(Shutdown::Both);
        });
        Ok(())
    }

    fn answer_control(&self, stream: &mut TcpStream, path: &str) -> Result<()> {
        if let Some(fault) = path.strip_prefix("/fault/") {
            match fault.parse() {
                Ok(fault) => *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault,
                Err(error) => return json_answer(stream, "400 Bad Request", &[], &json!(format!("{error:#}"))),
            }
        }
        let counters = json!({
            "received": self.received.load(Ordering::Relaxed),
            "sent": self.sent.load(Ordering::Relaxed),
            "requests": self.requests.load(Ordering::Relaxed),
            "fault": self.fault().to_string(),
        });
        json_answer(stream, "200 OK", &[], &counters)
    }
}

/// Copies until one side ends or `limit` bytes have passed; whether it was less.
fn copy(from: &mut impl Read, to: &mut impl Write, limit: u64, count: &AtomicU64) -> bool {
    let mut chunk = [0; 32 << 10];
    let mut passed = 0;
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        passed += length as u64;
        if passed > limit {
            return false;
        }
        count.fetch_add(length as u64, Ordering::Relaxed);
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    true
}

fn refuse(client: &mut TcpStream, status: &str, code: &str) -> Result<()> {
    json_answer(client, status, &[], &json!({ "errors": [{ "code": code, "message": "refused by the sandbox" }] }))
}
