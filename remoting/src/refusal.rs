//! Why a request was not done.

use crate::code::ResponseCode;
use std::borrow::Cow;

/// A response code and the remark that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: ResponseCode,
    pub remark: Cow<'static, str>,
}

impl Refusal {
    pub fn new(code: ResponseCode, remark: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, remark: remark.into() }
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
