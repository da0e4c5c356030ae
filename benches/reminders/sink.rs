//! A push service that takes everything: TLS and HTTP/2 on loopback, in a process of its own, so that what it costs is
//! not counted with what it measures.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use openssl::{
    asn1::Asn1Time, bn::BigNum, ec, hash::MessageDigest, nid::Nid, pkey::PKey, x509, x509::extension,
};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::{Outcome, measure::cpu_of};

/// Streams of one connection, about as many as the large push services allow.
const STREAMS: u32 = 256;

/// The sink as its parent sees it; it ends with its handle.
pub struct Sink {
    child: Child,
    pub endpoint: String,
    /// What the sender has to trust.
    pub certificate: PathBuf,
}

impl Sink {
    /// Starts this very program again as a sink.
    pub fn start(folder: &Path) -> Outcome<Self> {
        let certificate = folder.join("sink.pem");
        if !certificate.exists() {
            make_certificate(folder)?;
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--sink").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut port = String::new();
        said.read_line(&mut port)?;
        let endpoint = format!("https://127.0.0.1:{}/push/{{n}}", port.trim());
        Ok(Self { child, endpoint, certificate })
    }

    /// From now on it lets its senders wait for so long.
    pub fn answer_after(&mut self, delay: Duration) -> Outcome<()> {
        let input = self.child.stdin.as_mut().ok_or("no input")?;
        Ok(writeln!(input, "{}", delay.as_millis())?)
    }

    pub fn cpu(&self) -> Outcome<Duration> {
        cpu_of(self.child.id())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn make_certificate(folder: &Path) -> Outcome<()> {
    let group = ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(ec::EcKey::generate(&group)?)?;
    let mut name = x509::X509Name::builder()?;
    name.append_entry_by_text("CN", "push sink")?;
    let name = name.build();
    let mut certificate = x509::X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(BigNum::from_u32(1)?.to_asn1_integer()?.as_ref())?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    certificate.set_not_after(Asn1Time::days_from_now(2)?.as_ref())?;
    certificate.set_pubkey(&key)?;
    let address = extension::SubjectAlternativeName::new()
        .ip("127.0.0.1")
        .build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(address)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    fs::write(folder.join("sink.pem"), certificate.build().to_pem()?)?;
    fs::write(folder.join("sink.key"), key.private_key_to_pem_pkcs8()?)?;
    Ok(())
}

/// Milliseconds before each answer.
static DELAY: AtomicU64 = AtomicU64::new(0);

/// What the child does: prints its port and serves until it is killed.
pub async fn serve(folder: &Path) -> Outcome<()> {
    std::thread::spawn(|| {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            DELAY.store(line.trim().parse().unwrap_or_default(), Ordering::Relaxed);
        }
    });
    let certificates =
        CertificateDer::pem_file_iter(folder.join("sink.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("sink.key"))?;
    let mut tls = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http2().max_concurrent_streams(STREAMS);
            // A sender that leaves ends its connection.
            server.serve_connection(TokioIo::new(stream), service_fn(take)).await.ok();
        });
    }
}

async fn take(request: Request<Incoming>) -> Result<Response<Empty<&'static [u8]>>, hyper::Error> {
    request.into_body().collect().await?;
    let delay = Duration::from_millis(DELAY.load(Ordering::Relaxed));
    if !delay.is_zero() {
        tokio::time::timeout(delay, std::future::pending::<()>()).await.ok();
    }
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}
