//! What a producer is told when the store refuses a message.

use super::Sent;
use remoting::{Refusal, ResponseCode};
use store::{MessageStoreConfig, PutError, WheelTimerError};

impl Sent<'_> {
    /// Java: `handlePutMessageResult`, for what failed.
    pub(super) fn refusal_of(&self, error: PutError) -> Refusal {
        let (code, remark) = match error {
            PutError::ServiceNotAvailable(why) => {
                // The store has said it once; a line a message would fill what is left of the disk.
                tracing::debug!("message refused: {why}");
                if let Some(why) = self.broker.store.failure() {
                    let remark = format!("service not available now, the store has given up: {why}");
                    return Refusal::new(ResponseCode::SERVICE_NOT_AVAILABLE, remark);
                }
                let used = self.broker.store.used_ratios();
                let remark = format!(
                    "service not available now. It may be caused by one of the following reasons: the broker's disk is \
                 full [CL: {:5.2} CQ: {:5.2} INDEX: {:5.2}], messages are put to the slave, message store has been \
                 shut down, etc.",
                    used.log, used.queues, used.index
                );
                (ResponseCode::SERVICE_NOT_AVAILABLE, remark)
            }
            PutError::CreateMappedFileFailed(why) => {
                tracing::debug!("message refused: {why}");
                (
                    ResponseCode::SYSTEM_ERROR,
                    "create mapped file failed, server is busy or broken.".to_owned(),
                )
            }
            PutError::MessageIllegal(_) | PutError::PropertiesSizeExceeded => {
                let limit = self.settings.store.max_message_size_bytes;
                let remark = format!(
                    "the message is illegal, maybe msg body or properties length not matched. msg body length limit \
                 {limit}B, msg properties length limit 32KB."
                );
                (ResponseCode::MESSAGE_ILLEGAL, remark)
            }
            PutError::InSyncReplicasNotEnough => {
                (ResponseCode::SYSTEM_ERROR, "in-sync replicas not enough".to_owned())
            }
            PutError::LmqConsumeQueueNumExceeded => {
                let remark = "[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]lmq consume queue num exceeded.";
                (ResponseCode::LMQ_QUOTA_EXCEEDED, remark.to_owned())
            }
            PutError::OsPageCacheBusy => {
                let remark = "[PC_SYNCHRONIZED]broker busy, start flow control for a while";
                (ResponseCode::SYSTEM_BUSY, remark.to_owned())
            }
            PutError::WheelTimer(why) => return timer_refusal(&self.settings.store, why),
            PutError::BatchIllegal(why) => (ResponseCode::SYSTEM_ERROR, why),
        };
        Refusal::new(code, remark)
    }
}

/// Of sends and of commits, whose message is sent then.
pub fn timer_refusal(settings: &MessageStoreConfig, why: WheelTimerError) -> Refusal {
    let (code, remark) = match why {
        WheelTimerError::NotEnable => {
            let enabled = settings.timer_wheel_enable;
            let remark = format!("accurate timer message is not enabled, timerWheelEnable is {enabled}");
            (ResponseCode::SYSTEM_ERROR, remark)
        }
        WheelTimerError::MsgIllegal => {
            let max_ms = settings.timer_max_delay_sec.saturating_mul(1000);
            let remark = format!(
                "timer message illegal, the delay time should not be bigger than the max delay {max_ms}ms; or if set \
                 del msg, the delay time should be bigger than the current time"
            );
            (ResponseCode::MESSAGE_ILLEGAL, remark)
        }
        WheelTimerError::FlowControl => {
            let limit = settings.timer_congest_num_each_slot;
            let twice = limit.saturating_mul(2);
            let remark = format!(
                "timer message is under flow control, max num limit is {twice} or the current value is greater than \
                 {limit} and less than {twice}, trigger random flow control"
            );
            (ResponseCode::SYSTEM_ERROR, remark)
        }
    };
    Refusal::new(code, remark)
}
