//! How the broker is doing, in the words of Java's `prepareRuntimeInfo`.

use super::{ok_with_body, unreadable};
use crate::broker::Broker;
use crate::topic_validator::SCHEDULE_TOPIC_XXXX;
use remoting::body::KVTable;
use remoting::{Call, Outcome, Refusal};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use store::StoreCounts;

/// Of the Java broker whose answers ours are.
const BROKER_VERSION_DESC: &str = "V5_5_0";
/// Java's answer where there is no pool of buffers outside the heap.
const NO_TRANSIENT_STORE_POOL: i32 = i32::MAX;

/// Lines about the store, the disks, the timer and the queues of requests, those of Java's that we lack as if they were empty; and
/// `getTransferedTps`, which older tools read, beside `getTransferredTps`. Reads the first record of the log.
pub fn get_broker_runtime_info(broker: &Arc<Broker>, _: &mut Call) -> Result<Outcome, Refusal> {
    let mut info = Info::default();
    put_counts(broker, &mut info);
    put_disks(broker, &mut info);
    put_delays(broker, &mut info);
    put_request_queues(broker, &mut info);
    let earliest_ms = broker.store.earliest_message_time_of_store().map_err(unreadable)?;
    info.put("earliestMessageTimeStamp", earliest_ms);
    info.put("brokerActive", !broker.is_slave());
    info.put("brokerVersionDesc", BROKER_VERSION_DESC);
    info.put(
        "startAcceptSendRequestTimeStamp",
        broker.settings().broker.start_accept_send_request_time_stamp_ms,
    );
    ok_with_body(&KVTable { table: info.0 })
}

#[derive(Default)]
struct Info(BTreeMap<String, String>);

impl Info {
    fn put(&mut self, key: &str, value: impl Display) {
        self.0.insert(key.to_owned(), value.to_string());
    }
}

/// Java: `StoreStatsService.getRuntimeInfo`, `BrokerStats`.
fn put_counts(broker: &Broker, info: &mut Info) {
    let (stats, now) = (&broker.store_stats, broker.store.counts());
    let per_second = |count: fn(&StoreCounts) -> u64| Tps(stats.per_second(count));
    info.put("bootTimestamp", stats.boot_ms);
    info.put("runtime", Runtime(broker.clock.wall_ms() - stats.boot_ms));
    // Java says 1 where there is none, so that nobody divides by 0.
    let put_messages = now.put_messages.max(1);
    info.put("putMessageTimesTotal", put_messages);
    info.put("putMessageFailedTimes", now.put_failed);
    info.put("putMessageSizeTotal", now.put_bytes);
    info.put("putMessageAverageSize", JavaDouble(now.put_bytes as f64 / put_messages as f64));
    put_unmeasured(info);
    info.put("putTps", per_second(|counts| counts.put_messages));
    info.put("getFoundTps", per_second(|counts| counts.get_found));
    info.put("getMissTps", per_second(|counts| counts.get_missed));
    let mut total = stats.per_second(|counts| counts.get_found + counts.get_missed);
    total.resize(3, 0.0);
    info.put("getTotalTps", Tps(total));
    for name in ["getTransferredTps", "getTransferedTps"] {
        info.put(name, per_second(|counts| counts.got_messages));
    }
    let days = stats.days();
    info.put("msgPutTotalYesterdayMorning", days.yesterday_morning.put_messages);
    info.put("msgPutTotalTodayMorning", days.today_morning.put_messages);
    info.put("msgPutTotalTodayNow", now.put_messages);
    info.put("msgGetTotalYesterdayMorning", days.yesterday_morning.got_messages);
    info.put("msgGetTotalTodayMorning", days.today_morning.got_messages);
    info.put("msgGetTotalTodayNow", now.got_messages);
}

/// How long single puts and gets take.
fn put_unmeasured(info: &mut Info) {
    info.put("putMessageDistributeTime", "null");
    info.put("putMessageEntireTimeMax", 0);
    info.put("getMessageEntireTimeMax", 0);
    info.put("putLatency99", "0.00");
    info.put("putLatency999", "0.00");
}

fn put_disks(broker: &Broker, info: &mut Info) {
    let store = &broker.store;
    let ratios = store.used_ratios();
    info.put("commitLogDiskRatio", JavaDouble(ratios.log));
    for (dir, ratio) in store.log_dirs() {
        info.put(&format!("commitLogDiskRatio_{}", dir.display()), JavaDouble(ratio));
    }
    info.put("consumeQueueDiskRatio", JavaDouble(ratios.queues));
    if let Ok(space) = store.disk().space(&store.config().store_path_root_dir) {
        let (total, free) = (ByteCount(space.total), ByteCount(space.free));
        info.put("commitLogDirCapacity", format_args!("Total : {total}, Free : {free}."));
    }
    info.put("commitLogMinOffset", store.min_phy_offset());
    info.put("commitLogMaxOffset", store.max_phy_offset());
    let unflushed = (store.max_phy_offset() - store.flushed_where()).max(0);
    info.put("remainHowManyDataToFlush", ByteCount(unflushed.unsigned_abs()));
    info.put("remainTransientStoreBufferNumbs", NO_TRANSIENT_STORE_POOL);
    info.put("dispatchBehindBytes", store.dispatch_behind_bytes());
    info.put("dispatchMaxBuffer", 0);
    info.put("pageCacheLockTimeMills", 0);
}

/// Java: `ScheduleMessageService.buildRunningStats`, and the timer's.
fn put_delays(broker: &Broker, info: &mut Info) {
    for (level, offset) in broker.delays.schedule.offsets() {
        let max = broker.store.max_offset_in_queue(SCHEDULE_TOPIC_XXXX, level - 1);
        info.put(&format!("scheduleMessageOffset_{level}"), format_args!("{offset},{max}"));
    }
    let behind = broker.delays.timer.as_ref().map(|timer| timer.behind()).unwrap_or_default();
    info.put("timerReadBehind", behind.dequeue_ms / 1000);
    info.put("timerOffsetBehind", behind.enqueue_messages);
    info.put("timerCongestNum", behind.waiting);
    info.put("timerEnqueueTps", "0.0");
    info.put("timerDequeueTps", "0.0");
}

/// There are none: a request is handled where it is read.
fn put_request_queues(broker: &Broker, info: &mut Info) {
    let settings = &broker.settings().broker;
    for (name, capacity) in [
        ("send", settings.send_thread_pool_queue_capacity),
        ("pull", settings.pull_thread_pool_queue_capacity),
        ("litePull", settings.lite_pull_thread_pool_queue_capacity),
        ("query", settings.query_thread_pool_queue_capacity),
        ("ack", settings.ack_thread_pool_queue_capacity),
    ] {
        info.put(&format!("{name}ThreadPoolQueueSize"), 0);
        info.put(&format!("{name}ThreadPoolQueueCapacity"), capacity);
        info.put(&format!("{name}ThreadPoolQueueHeadWaitTimeMills"), 0);
    }
    info.put("EndTransactionQueueSize", 0);
    info.put("EndTransactionThreadPoolQueueCapacity", settings.end_transaction_pool_queue_capacity);
}

/// Java's `Double.toString`, of numbers that need no exponent.
struct JavaDouble(f64);

impl Display for JavaDouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Three numbers with blanks between; those that are not known yet are empty.
struct Tps(Vec<f64>);

impl Display for Tps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number =
            |index: usize| self.0.get(index).map(|tps| JavaDouble(*tps).to_string()).unwrap_or_default();
        write!(f, "{} {} {}", number(0), number(1), number(2))
    }
}

/// Java: `MixAll.humanReadableByteCount(bytes, false)`.
struct ByteCount(u64);

impl Display for ByteCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNIT: f64 = 1024.0;
        if self.0 < UNIT as u64 {
            return write!(f, "{} B", self.0);
        }
        let (mut count, mut units) = (self.0 as f64 / UNIT, "KMGTPE".chars());
        let mut unit = units.next();
        while count >= UNIT
            && let Some(next) = units.next()
        {
            (count, unit) = (count / UNIT, Some(next));
        }
        write!(f, "{count:.1} {}iB", unit.unwrap_or('K'))
    }
}

/// Java: `StoreStatsService.getFormatRuntime`, of milliseconds.
struct Runtime(i64);

impl Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.max(0) / 1000;
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        write!(f, "[ {days} days, {hours} hours, {minutes} minutes, {seconds} seconds ]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_measured_says_so() {
        let mut info = Info::default();
        put_unmeasured(&mut info);
        assert_eq!(info.0["putMessageDistributeTime"], "null");
        assert!(
            ["putMessageEntireTimeMax", "putLatency99"].iter().all(|name| info.0[*name].starts_with('0'))
        );
    }

    #[test]
    fn numbers_as_java_writes_them() {
        let counts = [0, 1023, 1024, 1536, (1 << 20) - 1, 1 << 30, u64::MAX];
        let texts = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1024.0 KiB", "1.0 GiB", "16.0 EiB"];
        assert_eq!(counts.map(|count| ByteCount(count).to_string()), texts);
        assert_eq!(Runtime(90_061_999).to_string(), "[ 1 days, 1 hours, 1 minutes, 1 seconds ]");
        assert_eq!(Tps(vec![]).to_string(), "  ");
        assert_eq!(Tps(vec![1.0, 0.25]).to_string(), "1.0 0.25 ");
        assert_eq!(JavaDouble(226.0).to_string(), "226.0");
    }
}
