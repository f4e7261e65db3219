//! The name server's own settings.

use crate::server::NameServer;
use process::properties::Properties;
use remoting::connection::Peer;
use remoting::{Command, Refusal, ResponseCode};
use std::sync::Arc;

pub fn update_namesrv_config(
    server: &NameServer,
    peer: &Arc<Peer>,
    request: &Command,
) -> Result<Command, Refusal> {
    tracing::info!("{} updates the configuration", peer.remote_addr());
    if request.body.is_empty() {
        return Ok(Command::success());
    }
    let malformed = |_| Refusal::new(ResponseCode::SYSTEM_ERROR, "string2Properties error");
    let update = Properties::parse(&request.body.bytes()).map_err(malformed)?;
    if update.iter().any(|(key, _)| server.forbids_update_of(key)) {
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, "Can not update config in black list."));
    }
    server.update_config(&update);
    Ok(Command::success())
}

pub fn get_namesrv_config(server: &NameServer, _: &Arc<Peer>, _: &Command) -> Result<Command, Refusal> {
    Ok(Command::success().with_body(server.config_text()))
}
