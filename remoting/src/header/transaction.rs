//! Transactions: how one ends, and the question whether it has.

use crate::headers;

headers! {
    /// Code 37.
    EndTransactionRequestHeader {
        producer_group: str = "producerGroup",
        /// The half message's offset in the queue of half messages.
        tran_state_table_offset: i64 = "tranStateTableOffset",
        /// The half message's physical offset.
        commit_log_offset: i64 = "commitLogOffset",
        /// One of [`message::sys_flag`]'s four transaction values.
        commit_or_rollback: i32 = "commitOrRollback",
        /// The producer was asked: code 39.
        from_transaction_check: flag = "fromTransactionCheck",
        msg_id: str = "msgId",
        transaction_id: str = "transactionId",
        topic: str = "topic",
    }

    /// Code 39, which the broker asks a producer. The body is the half message, under its real topic.
    CheckTransactionStateRequestHeader {
        topic: str = "topic",
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        msg_id: str = "msgId",
        transaction_id: str = "transactionId",
        offset_msg_id: str = "offsetMsgId",
        broker_name: str = "bname",
    }

    /// Code 323.
    ResumeCheckHalfMessageRequestHeader {
        topic: str = "topic",
        /// The offset id of a message that was given up.
        msg_id: str = "msgId",
    }
}
