//! The broker's own settings. Java: `AdminBrokerProcessor`.

use super::ok;
use crate::broker::Broker;
use crate::configuration::UpdateError;
use process::properties::Properties;
use remoting::header::client::GetBrokerConfigResponseHeader;
use remoting::{Call, Command, Outcome, Refusal, ResponseCode, json};
use std::sync::Arc;

/// Changes settings, here and in the file that the broker was started with: all of them, or none. The remark names those that
/// act only from the next start on. Refused with NO_PERMISSION for keys that are not for those who are elsewhere, with
/// SYSTEM_ERROR for unknown keys, values that do not fit, and a file that cannot be written.
pub fn update_broker_config(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let body = call.request.body.bytes();
    if body.is_empty() {
        return ok();
    }
    let failed = |remark: String| Refusal::new(ResponseCode::SYSTEM_ERROR, remark);
    let update = Properties::parse(&body).map_err(|_| failed("string2Properties error".to_owned()))?;
    let keys: Vec<_> = update.iter().map(|(key, _)| key).collect();
    let remote_addr = call.peer().remote_addr();
    tracing::info!("{remote_addr} updates the configuration: {keys:?}");
    let updated = broker.configuration.update(broker, &update).map_err(|error| {
        tracing::error!("the configuration of {remote_addr} is refused: {error}");
        match error {
            UpdateError::Forbidden => Refusal::new(ResponseCode::NO_PERMISSION, error.to_string()),
            error => failed(error.to_string()),
        }
    })?;
    let mut remarks = Vec::new();
    if !updated.restart.is_empty() {
        remarks.push(format!("from the next start on: {}", updated.restart.join(", ")));
    }
    if updated.is_not_kept {
        remarks.push("not kept: the broker was started without a configuration file (-c)".to_owned());
    }
    let reply = Command::success();
    Ok(Outcome::Now(match remarks.is_empty() {
        true => reply,
        false => {
            let remark = remarks.join("; ");
            tracing::warn!("settings updated, {remark}");
            reply.with_remark(remark)
        }
    }))
}

/// All settings as `key=value` lines, and their version. Refuses nothing.
pub fn get_broker_config(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    let (text, version) = broker.configuration.render();
    let version = String::from_utf8_lossy(&json::to_bytes(&version)).into_owned();
    let header =
        GetBrokerConfigResponseHeader { version: Some(&version), ..GetBrokerConfigResponseHeader::default() };
    Ok(Outcome::Now(Command::success().with_ext(header.encode()).with_body(text)))
}
