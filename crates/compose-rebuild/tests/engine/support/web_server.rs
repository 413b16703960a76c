//! A web server of one text.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::sandbox;

/// A server of one text that says nothing of its age; its address. It serves as long as the tests run.
pub(crate) fn serve_text(text: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind((sandbox().env()["SANDBOX_ADDRESS"].as_str(), 0)).unwrap();
    let address = format!("http://{}/file", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let body = text.lock().unwrap().clone();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = (&stream).write_all((head + &body).as_bytes());
        }
    });
    address
}
