//! A private RabbitMQ: its own node name, cookie, folders and ports, and its own port mapper (epmd), so that it
//! and the machine's own RabbitMQ do not know of each other.

use crate::TestkitError;
use crate::free_port::free_port;
use crate::server::{Program, command_as, log_to, own_folder, says, wait_ready};
use crate::watchdog::{StopSignal, Watchdog};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

const USER: &str = "rabbitmq";
/// The script behind Debian's wrapper; the wrapper changes user by itself and hides the process id.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const PORT_MAPPER: &str = "/usr/bin/epmd";
/// What an AMQP 0-9-1 client says first; a node that has booted answers with a method frame on channel 0.
const HELLO: &[u8] = b"AMQP\x00\x00\x09\x01";
const METHOD_FRAME: &[u8] = b"\x01\x00\x00";

/// Starts a port mapper, which stays, and prepares a node; the URL is that of the default virtual host.
pub(crate) fn prepare(watchdog: &Watchdog) -> Result<Program, TestkitError> {
    for program in [PROGRAM, PORT_MAPPER] {
        if !Path::new(program).exists() {
            return Err(TestkitError::Missing { program: program.to_owned() });
        }
    }
    let home = watchdog.dir().join("rabbitmq");
    own_folder(USER, &home)?;
    let (amqp_port, mapper_port, node_port) = (free_port()?, free_port()?, free_port()?);

    let mut mapper = command_as(USER, PORT_MAPPER);
    mapper.current_dir(&home).args(["-address", "127.0.0.1", "-port", &mapper_port.to_string()]);
    log_to(watchdog, &mut mapper)?;
    let process = watchdog.spawn(&mut mapper, StopSignal::Term)?;
    wait_ready(watchdog, "epmd", process, || TcpStream::connect((Ipv4Addr::LOCALHOST, mapper_port)).is_ok())?;

    let settings = format!(
        "listeners.tcp.1 = 127.0.0.1:{amqp_port}\n\
         vm_memory_high_watermark.absolute = 1GB\n\
         disk_free_limit.absolute = 50MB\n\
         log.file.level = warning\n"
    );
    write_to(&home.join("rabbitmq.conf"), &settings)?;
    write_to(&home.join("enabled_plugins"), "[].\n")?;
    let command = move || {
        let mut node = command_as(USER, PROGRAM);
        node.current_dir(&home).env("HOME", &home);
        node.env("ERL_EPMD_PORT", mapper_port.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        node.env("RABBITMQ_NODENAME", format!("testkit-{amqp_port}@localhost"));
        node.env("RABBITMQ_DIST_PORT", node_port.to_string());
        for (variable, file) in FILES {
            node.env(variable, home.join(file));
        }
        // The script then becomes the node instead of waiting for it, so that its process id is the node's.
        node.env("RABBITMQ_ALLOW_INPUT", "true");
        node.env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-noinput -start_epmd false -kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +A 16",
        );
        node
    };
    Ok(Program {
        url: format!("amqp://guest:guest@127.0.0.1:{amqp_port}/%2f"),
        command: Box::new(command),
        stop: StopSignal::Term,
        crash: "KILL",
        answers: Box::new(move || says(amqp_port, HELLO, METHOD_FRAME)),
    })
}

/// Every file a node reads or writes, moved into our folder. None of `/etc/rabbitmq` is read.
const FILES: [(&str, &str); 11] = [
    ("RABBITMQ_CONF_ENV_FILE", "rabbitmq-env.conf"),
    ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
    ("RABBITMQ_CONFIG_FILES", "conf.d"),
    ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
    ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
    ("RABBITMQ_MNESIA_BASE", "mnesia"),
    ("RABBITMQ_LOG_BASE", "log"),
    ("RABBITMQ_PID_FILE", "node.pid"),
    ("RABBITMQ_SCHEMA_DIR", "schema"),
    ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
    ("RABBITMQ_FEATURE_FLAGS_FILE", "feature_flags"),
];

fn write_to(path: &Path, text: &str) -> Result<(), TestkitError> {
    std::fs::write(path, text).map_err(TestkitError::io(format!("write {}", path.display())))
}
