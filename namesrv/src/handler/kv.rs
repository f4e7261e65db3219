//! Settings by namespace.

use super::{now, ok};
use crate::server::NameServer;
use remoting::header::namesrv::*;
use remoting::{Call, Command, Outcome, Refusal, ResponseCode};
use std::sync::Arc;

pub fn put_kv_config(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = PutKVConfigRequestHeader::decode(&call.request.ext);
    let (Some(namespace), Some(key)) = (header.namespace, header.key) else {
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "namespace or key is null"));
    };
    tracing::info!("kv config {namespace} {key} = {:?}", header.value);
    log_failure(server.kv().write().put(namespace, key, header.value));
    ok()
}

pub fn get_kv_config(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = GetKVConfigRequestHeader::decode(&call.request.ext);
    let (namespace, key) = (header.namespace.unwrap_or("null"), header.key.unwrap_or("null"));
    match server.kv().read().get(namespace, key) {
        Some(value) => {
            let header = GetKVConfigResponseHeader { value: Some(value), ..Default::default() };
            now(Command::success().with_ext(header.encode()))
        }
        None => Err(Refusal::new(
            ResponseCode::QUERY_NOT_FOUND,
            format!("No config item, Namespace: {namespace} Key: {key}"),
        )),
    }
}

pub fn delete_kv_config(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = DeleteKVConfigRequestHeader::decode(&call.request.ext);
    if let (Some(namespace), Some(key)) = (header.namespace, header.key) {
        tracing::info!("kv config {namespace} {key} deleted");
        log_failure(server.kv().write().delete(namespace, key));
    }
    ok()
}

pub fn get_kvlist_by_namespace(server: &Arc<NameServer>, call: &mut Call) -> Result<Outcome, Refusal> {
    let namespace = GetKVListByNamespaceRequestHeader::decode(&call.request.ext).namespace.unwrap_or("null");
    match server.kv().read().namespace(namespace) {
        Some(table) => now(Command::success().with_body(table)),
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
