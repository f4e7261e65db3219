package clients

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

func TestTagFilter(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoTag", 2)
	box, _ := consume(t, unique("group"), topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "red || blue"})
	p := newProducer(t)

	for _, tag := range []string{"red", "green", "blue", "yellow", "red"} {
		send(t, p, message(topic, tag).WithTag(tag))
	}

	box.awaitExactly(t, []string{"blue", "red", "red"})
}

func TestSQL92Filter(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoSql", 2)
	selector := consumer.MessageSelector{
		Type:       consumer.SQL92,
		Expression: "(TAGS IS NOT NULL AND TAGS IN ('red', 'blue')) AND (n IS NOT NULL AND n BETWEEN 1 AND 3)",
	}
	box, _ := consume(t, unique("group"), topic, selector)
	p := newProducer(t)

	for n := 0; n < 6; n++ {
		for _, tag := range []string{"red", "green"} {
			msg := message(topic, fmt.Sprint(tag, " ", n)).WithTag(tag)
			msg.WithProperty("n", fmt.Sprint(n))
			send(t, p, msg)
		}
	}

	box.awaitExactly(t, []string{"red 1", "red 2", "red 3"})
}

// One queue a sharding key: whatever comes between, each customer's messages come in their order, a refused one again
// before the next.
func TestOrderlyConsumption(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoOrderly", 4)
	p := newProducer(t, producer.WithQueueSelector(producer.NewHashQueueSelector()))
	customers := []string{"Ada", "Bob", "Cid"}
	want := make(map[string][]string)
	for i := 0; i < 10; i++ {
		for _, customer := range customers {
			body := fmt.Sprint(customer, " ", i)
			send(t, p, message(topic, body).WithShardingKey(customer))
			want[customer] = append(want[customer], body)
		}
	}
	box := new(inbox)
	var refused atomic.Int32
	c := newPushConsumer(t, unique("group"), consumer.WithConsumerOrder(true),
		consumer.WithSuspendCurrentQueueTimeMillis(100*time.Millisecond))
	err := c.Subscribe(topic, everything,
		func(ctx context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			if string(msgs[0].Body) == "Bob 4" && refused.Add(1) == 1 {
				return consumer.SuspendCurrentQueueAMoment, nil
			}
			return box.take(ctx, msgs...)
		})
	check(t, err)

	check(t, c.Start())

	box.awaitCount(t, 30)
	got := make(map[string][]string)
	for _, msg := range box.all() {
		got[msg.GetShardingKey()] = append(got[msg.GetShardingKey()], string(msg.Body))
	}
	for _, customer := range customers {
		sameTexts(t, got[customer], want[customer])
	}
	equal(t, "times that the refused message came", refused.Load(), 2)
}

func TestBroadcastReachesEveryConsumer(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoBroadcast", 4)
	group := unique("group")
	first, _ := consume(t, group, topic, everything, consumer.WithConsumerModel(consumer.BroadCasting))
	second, _ := consume(t, group, topic, everything, consumer.WithConsumerModel(consumer.BroadCasting))
	p := newProducer(t)
	bodies := numbered("to all", 8)

	for _, body := range bodies {
		send(t, p, message(topic, body))
	}

	first.awaitExactly(t, bodies)
	second.awaitExactly(t, bodies)
}

// The second consumer's heartbeat makes the broker tell the first, which gives up half of its queues.
func TestClusteringSharesTheQueues(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoCluster", 4)
	group := unique("group")
	first, _ := consume(t, group, topic, everything)
	second, _ := consume(t, group, topic, everything)
	p := newProducer(t)

	sent := 0
	await(t, "both consumers to be given messages", func() (bool, any) {
		send(t, p, message(topic, fmt.Sprint("shared ", sent)))
		sent++
		return len(first.all()) > 0 && len(second.all()) > 0, nil
	})

	await(t, "all messages", func() (bool, any) {
		seen := make(map[string]bool)
		for _, text := range append(first.texts(), second.texts()...) {
			seen[text] = true
		}
		return len(seen) == sent, fmt.Sprint(len(seen), " of ", sent)
	})
}

// The application is stopped and started again. Against Java's broker this fails now and then: it may take in the first one's
// last heartbeat after its end, and keeps queues for it.
func TestGroupGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoOffset", 2)
	group := unique("group")
	p := newProducer(t)
	for _, prefix := range []string{"before", "after"} {
		bodies := numbered(prefix, 6)
		for _, body := range bodies {
			send(t, p, message(topic, body))
		}
		sameTexts(t, sorted(runApplication(t, group, topic, len(bodies))), bodies)
	}
}

// A message that is refused comes back through the group's retry topic, and at last lies among the dead letters.
func TestRetryAndDeadLetters(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoRetry", 1)
	group := unique("group")
	// A client learns of a retry topic at its start or half a minute later; the first of a group comes too early.
	createNamedTopic(t, "%RETRY%"+group, 1)
	box := new(inbox)
	c := newPushConsumer(t, group, consumer.WithMaxReconsumeTimes(1))
	err := c.Subscribe(topic, everything,
		func(ctx context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			box.add(msgs...)
			retry, _ := primitive.GetConcurrentlyCtx(ctx)
			retry.DelayLevelWhenNextConsume = 1
			return consumer.ConsumeRetryLater, nil
		})
	check(t, err)
	check(t, c.Start())

	msg := message(topic, "refused").WithTag("TagR").WithKeys([]string{"key"})
	sent := send(t, newProducer(t), msg)

	attempts := box.awaitExactly(t, []string{"refused", "refused"})
	equal(t, "reconsume times", attempts[0].ReconsumeTimes, 0)
	equal(t, "reconsume times", attempts[1].ReconsumeTimes, 1)
	equal(t, "topic of the retry", attempts[1].Topic, topic)
	equal(t, "tag of the retry", attempts[1].GetTags(), "TagR")
	equal(t, "origin", attempts[1].GetProperty(primitive.PropertyOriginMessageId), sent.OffsetMsgID)
	if waited := attempts[1].StoreTimestamp - attempts[0].StoreTimestamp; waited < 1000 {
		t.Fatalf("retried after %d ms", waited)
	}
	deadLetters := "%DLQ%" + group
	awaitRoute(t, deadLetters)
	dead := awaitPulled(t, deadLetters, 1)[0]
	equal(t, "dead letter", string(dead.Body), "refused")
	equal(t, "keys of the dead letter", dead.GetKeys(), attempts[0].GetKeys())
}

func TestDelayLevel(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoDelay", 1)
	box, _ := consume(t, unique("group"), topic, everything)

	send(t, newProducer(t), message(topic, "late").WithDelayTimeLevel(2))

	got := box.awaitExactly(t, []string{"late"})[0]
	equal(t, "topic", got.Topic, topic)
	if waited := got.StoreTimestamp - got.BornTimestamp; waited < 5000 || waited > 15_000 {
		t.Fatalf("delivered after %d ms, not 5 s", waited)
	}
}
