use super::version::name_of_old;
use super::*;
use remoting::{Peer, ResponseCode};

#[test]
fn old_versions_have_java_s_names() {
    let cases = [
        (0, "V3_0_0_SNAPSHOT"),
        (15, "V3_0_0_FINAL"),
        (16, "V3_0_1_SNAPSHOT"),
        (27, "V3_0_6"),
        (45, "V3_0_15"),
        (46, "V3_1_0_SNAPSHOT"),
        (61, "V3_1_7"),
    ];
    for (version, name) in cases {
        assert_eq!(name_of_old(version), name);
    }
}

#[tokio::test]
async fn one_request_too_many_is_refused_until_one_is_answered() {
    let calls = Calls { waiting: Arc::new(Semaphore::new(1)) };
    let call = || Call::new(&Peer::detached(), Command::default());
    let (done, wait) = tokio::sync::oneshot::channel::<()>();
    let work = async {
        let _ = wait.await;
        Command::success()
    };
    assert!(calls.answer_with(&Handle::current(), &mut call(), work).is_ok());
    let refused = calls.answer_with(&Handle::current(), &mut call(), async { Command::success() });
    assert_eq!(refused.err().map(|refusal| refusal.code), Some(ResponseCode::SYSTEM_BUSY));
    drop(done);
    let permit = tokio::time::timeout(CALL_TIMEOUT, calls.waiting.acquire()).await;
    assert!(permit.is_ok());
}
