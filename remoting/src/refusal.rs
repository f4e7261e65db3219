//! Why a request was not done.

use crate::code::ResponseCode;
use std::borrow::Cow;

/// A response code and the remark that goes with it: every request that is refused is answered with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, for programs.
    pub code: ResponseCode,
    /// Why, for humans; clients show it.
    pub remark: Cow<'static, str>,
}

impl Refusal {
    /// From its parts.
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
