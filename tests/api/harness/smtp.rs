//! A mail server as small as it can be: it takes what comes, or answers as told.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

/// One mail that was taken.
#[derive(Debug, Clone)]
pub struct Received {
    pub to: String,
    /// Head and body as they came.
    pub text: String,
}

/// Listens on a port of its own until it is dropped.
pub struct Smtp {
    pub port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    answer: watch::Sender<&'static str>,
    task: AbortHandle,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Smtp {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (answer, saying) = watch::channel("250 ok");
        let into = received.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, into.clone(), saying.clone()));
            }
        });
        Self { port, received, answer, task: task.abort_handle() }
    }

    /// What it says to the next recipients, such as `550 no such user`; while that is empty it says nothing yet.
    pub fn answer(&self, line: &'static str) {
        self.answer.send_replace(line);
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn talk(
    stream: TcpStream,
    received: Arc<Mutex<Vec<Received>>>,
    mut answer: watch::Receiver<&'static str>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await?;
    let mut to = String::new();
    while let Some(line) = lines.next_line().await? {
        let word = line.to_uppercase();
        if word.starts_with("RCPT") {
            to = line;
            let said = answer.wait_for(|line| !line.is_empty()).await.map(|line| *line);
            let Ok(said) = said else { break };
            write.write_all(format!("{said}\r\n").as_bytes()).await?;
        } else if word.starts_with("DATA") {
            write.write_all(b"354 go on\r\n").await?;
            let mut text = String::new();
            while let Some(line) = lines.next_line().await? {
                if line == "." {
                    break;
                }
                text.push_str(&line);
                text.push('\n');
            }
            received.lock().unwrap().push(Received { to: to.clone(), text });
            write.write_all(b"250 taken\r\n").await?;
        } else if word.starts_with("QUIT") {
            write.write_all(b"221 bye\r\n").await?;
            break;
        } else {
            write.write_all(b"250 ok\r\n").await?;
        }
    }
    Ok(())
}
