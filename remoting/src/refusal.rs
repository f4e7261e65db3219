//! Why a request was not done.

use crate::code::{RequestCode, ResponseCode};
use crate::ext_fields::ExtFields;
use std::borrow::Cow;

/// A response code, the remark that goes with it, and what else the answer tells: every request that is refused is answered
/// with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for programs.
    pub code: ResponseCode,
    /// Why, for humans; clients show it.
    pub remark: Cow<'static, str>,
    /// What else the answer tells. Rare, and the error of every handler stays small.
    pub ext: Option<Box<ExtFields>>,
}

impl Refusal {
    /// From its parts.
    pub fn new(code: ResponseCode, remark: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, remark: remark.into(), ext: None }
    }

    /// Tells ext fields too.
    pub fn with_ext(self, ext: ExtFields) -> Refusal {
        Refusal { ext: Some(Box::new(ext)), ..self }
    }

    /// The answer to a code that nobody handles.
    pub fn unsupported(code: RequestCode) -> Refusal {
        let remark = format!(" request type {} not supported", code.0);
        Refusal::new(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark)
    }

    /// Too many requests wait already. Java: `NettyRemotingAbstract.processRequestCommand`.
    pub fn overload() -> Refusal {
        Refusal::new(ResponseCode::SYSTEM_BUSY, "[OVERLOAD]system busy, start flow control for a while")
    }

    /// Java unboxes the absent field, and its `NullPointerException` becomes the answer.
    pub fn missing(field: &str) -> Refusal {
        Refusal::new(
            ResponseCode::SYSTEM_ERROR,
            format!("java.lang.NullPointerException: the request has no valid field {field}"),
        )
    }

    /// A body that cannot be read. Java answers with its parser's exception.
    pub fn unreadable_body(reason: impl std::fmt::Display) -> Refusal {
        Refusal::new(ResponseCode::SYSTEM_ERROR, format!("com.alibaba.fastjson2.JSONException: {reason}"))
    }
}
