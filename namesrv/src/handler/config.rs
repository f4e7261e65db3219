//! The name server's own settings.

use super::{now, ok};
use crate::server::NameServer;
use process::properties::Properties;
use remoting::{Call, Command, Outcome, Refusal, ResponseCode};
use std::sync::Arc;

pub fn update_namesrv_config(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    tracing::info!("{} updates the configuration", call.peer().remote_addr());
    if call.request.body.is_empty() {
        return ok();
    }
    let malformed = |_| Refusal::new(ResponseCode::SYSTEM_ERROR, "string2Properties error");
    let update = Properties::parse(&call.request.body.bytes()).map_err(malformed)?;
    if update.iter().any(|(key, _)| server.forbids_update_of(key)) {
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, "Can not update config in black list."));
    }
    server.update_config(&update);
    ok()
}

pub fn get_namesrv_config(server: &Arc<NameServer>, _: &mut Call) -> Result<Outcome, Refusal> {
    now(Command::success().with_body(server.config_text()))
}
