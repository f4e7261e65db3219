//! The end of a transaction. Java: `EndTransactionProcessor`.

use super::{UNSET_REMARK, ok, send, unreadable};
use crate::broker::Broker;
use crate::transaction::NotHalf;
use message::{Record, StoredMessage, id, property, sys_flag};
use remoting::header::required;
use remoting::header::transaction::{EndTransactionRequestHeader, ResumeCheckHalfMessageRequestHeader};
use remoting::{Call, Command, Outcome, Refusal, ResponseCode};
use std::sync::Arc;
use store::PutError;

/// Commits or rolls back a half message. Refused on a slave, too late, where no such half message is stored, and where
/// the message cannot be. Java: `EndTransactionProcessor`.
pub fn end_transaction(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = EndTransactionRequestHeader::decode(&call.request.ext);
    let end = required(header.commit_or_rollback, "commitOrRollback")?;
    if broker.is_slave() {
        return Err(Refusal::new(ResponseCode::SLAVE_NOT_AVAILABLE, UNSET_REMARK));
    }
    match end {
        sys_flag::TRANSACTION_COMMIT | sys_flag::TRANSACTION_ROLLBACK => {}
        sys_flag::TRANSACTION_NOT => {
            // Unknown yet: the check will ask. Java gives no answer.
            tracing::warn!("{} leaves a transaction open: {:?}", call.peer().remote_addr(), call.request.ext);
            return Ok(Outcome::Silent);
        }
        _ => return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "commitOrRollback field wrong")),
    }
    let record = broker.store.look_message_by_offset(required(header.commit_log_offset, "commitLogOffset")?);
    let record = record.map_err(unreadable)?.ok_or_else(not_found)?;
    let Ok(Record::Message(half)) = Record::decode(&record) else { return Err(not_found()) };
    if !header.from_transaction_check && broker.transactions.is_immunity_over(&half) {
        tracing::warn!(
            "{} ends a transaction too late, it will be asked: {:?}",
            call.peer().remote_addr(),
            call.request.ext
        );
        return Err(Refusal::new(ResponseCode::ILLEGAL_OPERATION, UNSET_REMARK));
    }
    check(&half, &header)?;
    if end == sys_flag::TRANSACTION_ROLLBACK {
        tracing::info!("{} rolls back: {:?}", call.peer().remote_addr(), call.request.ext);
        broker.transactions.rollback(&half);
        return Ok(Outcome::Now(Command::success().with_remark(UNSET_REMARK)));
    }
    let put = broker.transactions.commit(&half).map_err(|NotHalf| Refusal::missing("REAL_TOPIC"))?;
    put.map_err(|error| refusal_of(broker, error))?;
    ok()
}

fn not_found() -> Refusal {
    Refusal::new(ResponseCode::SYSTEM_ERROR, "Find prepared transaction message failed")
}

/// Java: `checkPrepareMessage`.
fn check(half: &StoredMessage<'_>, header: &EndTransactionRequestHeader<'_>) -> Result<(), Refusal> {
    let wrong = |what: &str| Err(Refusal::new(ResponseCode::SYSTEM_ERROR, format!("The {what} wrong")));
    let group = property::find(&half.message.properties, property::PRODUCER_GROUP);
    if group.ok_or_else(|| Refusal::missing("PGROUP"))? != header.producer_group.unwrap_or_default() {
        return wrong("producer group");
    }
    if half.queue_offset != required(header.tran_state_table_offset, "tranStateTableOffset")? {
        return wrong("transaction state table offset");
    }
    if Some(half.physical_offset) != header.commit_log_offset {
        return wrong("commit log offset");
    }
    Ok(())
}

/// Java: `sendFinalMessage`, for what failed.
fn refusal_of(broker: &Broker, error: PutError) -> Refusal {
    tracing::warn!("a commit is not done: {error}");
    let (code, remark) = match error {
        PutError::ServiceNotAvailable(_) => {
            (ResponseCode::SERVICE_NOT_AVAILABLE, "Service not available now.".to_owned())
        }
        PutError::CreateMappedFileFailed(_) => {
            (ResponseCode::SYSTEM_ERROR, "Create mapped file failed.".to_owned())
        }
        PutError::MessageIllegal(_) | PutError::PropertiesSizeExceeded | PutError::BatchIllegal(_) => {
            let limit = broker.settings().store.max_message_size_bytes;
            let remark = format!(
                "The message is illegal, maybe msg body or properties length not matched. msg body length limit \
                 {limit}B, msg properties length limit 32KB."
            );
            (ResponseCode::MESSAGE_ILLEGAL, remark)
        }
        PutError::WheelTimer(why) => return send::timer_refusal(&broker.settings().store, why),
        PutError::OsPageCacheBusy => {
            (ResponseCode::SYSTEM_ERROR, "OS page cache busy, please try another machine".to_owned())
        }
        PutError::InSyncReplicasNotEnough | PutError::LmqConsumeQueueNumExceeded => {
            (ResponseCode::SYSTEM_ERROR, "UNKNOWN_ERROR DEFAULT".to_owned())
        }
    };
    Refusal::new(code, remark)
}

/// Java: `AdminBrokerProcessor.resumeCheckHalfMessage`.
pub fn resume_check_half_message(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    let header = ResumeCheckHalfMessageRequestHeader::decode(&call.request.ext);
    let illegible = || {
        let remark = "Exception was thrown when putting message back to RMQ_SYS_TRANS_HALF_TOPIC.";
        Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
    };
    let (_, offset) = header.msg_id.and_then(id::parse_offset_message_id).ok_or_else(illegible)?;
    let record = broker.store.look_message_by_offset(offset).map_err(unreadable)?;
    let record = record.ok_or_else(illegible)?;
    let Ok(Record::Message(given_up)) = Record::decode(&record) else { return Err(illegible()) };
    let put = broker.transactions.resume(&given_up);
    put.map_err(|error| {
        tracing::warn!("{offset} is not checked again: {error}");
        Refusal::new(ResponseCode::SYSTEM_ERROR, "Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed.")
    })?;
    ok()
}
