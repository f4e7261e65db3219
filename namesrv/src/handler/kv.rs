//! Settings by namespace.

use crate::server::NameServer;
use remoting::connection::Peer;
use remoting::header::namesrv::*;
use remoting::{Command, Refusal, ResponseCode};
use std::sync::Arc;

pub fn put_kv_config(server: &NameServer, _: &Arc<Peer>, request: &Command) -> Result<Command, Refusal> {
    let header = PutKVConfigRequestHeader::decode(&request.ext);
    let (Some(namespace), Some(key)) = (header.namespace, header.key) else {
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "namespace or key is null"));
    };
    tracing::info!("kv config {namespace} {key} = {:?}", header.value);
    log_failure(server.kv().write().put(namespace, key, header.value));
    Ok(Command::success())
}

pub fn get_kv_config(server: &NameServer, _: &Arc<Peer>, request: &Command) -> Result<Command, Refusal> {
    let header = GetKVConfigRequestHeader::decode(&request.ext);
    let (namespace, key) = (header.namespace.unwrap_or("null"), header.key.unwrap_or("null"));
    match server.kv().read().get(namespace, key) {
        Some(value) => {
            let header = GetKVConfigResponseHeader { value: Some(value), ..Default::default() };
            Ok(Command::success().with_ext(header.encode()))
        }
        None => Err(Refusal::new(
            ResponseCode::QUERY_NOT_FOUND,
            format!("No config item, Namespace: {namespace} Key: {key}"),
        )),
    }
}

pub fn delete_kv_config(server: &NameServer, _: &Arc<Peer>, request: &Command) -> Result<Command, Refusal> {
    let header = DeleteKVConfigRequestHeader::decode(&request.ext);
    if let (Some(namespace), Some(key)) = (header.namespace, header.key) {
        tracing::info!("kv config {namespace} {key} deleted");
        log_failure(server.kv().write().delete(namespace, key));
    }
    Ok(Command::success())
}

pub fn get_kvlist_by_namespace(
    server: &NameServer,
    _: &Arc<Peer>,
    request: &Command,
) -> Result<Command, Refusal> {
    let namespace = GetKVListByNamespaceRequestHeader::decode(&request.ext).namespace.unwrap_or("null");
    match server.kv().read().namespace(namespace) {
        Some(table) => Ok(Command::success().with_body(table)),
        None => Err(Refusal::new(
            ResponseCode::QUERY_NOT_FOUND,
            format!("No config item, Namespace: {namespace}"),
        )),
    }
}

/// The change holds until the next start, and the client is told nothing, as in Java.
fn log_failure(kept: Result<(), process::files::FileError>) {
    if let Err(error) = kept {
        tracing::error!("kv config is not kept: {error}");
    }
}
