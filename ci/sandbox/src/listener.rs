//! A port of this process, with a thread for each connection.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A port that is open until this is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Listener {
    /// Opens a port at an address of this machine and answers every connection; one that breaks is no error of ours.
    pub(crate) fn start(
        address: Ipv4Addr,
        answer: impl Fn(TcpStream) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Listener> {
        let listener = TcpListener::bind((address, 0)).with_context(|| format!("no port on {address}"))?;
        let address = listener.local_addr()?;
        let closed = Arc::new(AtomicBool::default());
        let (is_closed, answer) = (Arc::clone(&closed), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_closed.load(Ordering::Relaxed) {
                    return;
                }
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || drop(answer(stream)));
            }
        });
        Ok(Listener { address, closed })
    }

    /// The address with its port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}
