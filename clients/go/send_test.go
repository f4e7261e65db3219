package clients

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

func TestSyncSendArrivesAsItWasSent(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoSync", 4)
	box, _ := consume(t, unique("group"), topic, everything)
	msg := message(topic, "grüße, 你好")
	msg.Flag = 7
	msg.WithTag("TagA").WithKeys([]string{"order-1", "order-2"}).WithShardingKey("shard")
	msg.WithProperty("city", "Köln")
	before := time.Now().UnixMilli()

	sent := send(t, newProducer(t), msg)

	got := box.awaitExactly(t, []string{"grüße, 你好"})[0]
	equal(t, "id", got.MsgId, sent.MsgID)
	equal(t, "offset id", got.OffsetMsgId, sent.OffsetMsgID)
	equal(t, "queue", got.Queue.QueueId, sent.MessageQueue.QueueId)
	equal(t, "queue offset", got.QueueOffset, sent.QueueOffset)
	equal(t, "topic", got.Topic, topic)
	equal(t, "tag", got.GetTags(), "TagA")
	equal(t, "keys", got.GetKeys(), "order-1 order-2")
	equal(t, "sharding key", got.GetShardingKey(), "shard")
	equal(t, "property", got.GetProperty("city"), "Köln")
	equal(t, "flag", got.Flag, 7)
	equal(t, "reconsume times", got.ReconsumeTimes, 0)
	equal(t, "store host", got.StoreHost, broker)
	if got.BornTimestamp < before || got.StoreTimestamp < got.BornTimestamp {
		t.Fatalf("sent after %d, born %d, stored %d", before, got.BornTimestamp, got.StoreTimestamp)
	}
}

func TestAsyncSend(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoAsync", 4)
	p := newProducer(t)
	bodies := numbered("async", 20)
	results := make(chan error, len(bodies))
	for _, body := range bodies {
		err := p.SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			if err == nil && result.Status != primitive.SendOK {
				err = fmt.Errorf("status %d", result.Status)
			}
			results <- err
		}, message(topic, body))
		check(t, err)
	}
	for range bodies {
		check(t, <-results)
	}

	box, _ := consume(t, unique("group"), topic, everything)

	box.awaitExactly(t, bodies)
}

func TestOnewaySend(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoOneway", 4)
	p := newProducer(t)
	bodies := numbered("oneway", 10)
	for _, body := range bodies {
		check(t, p.SendOneWay(context.Background(), message(topic, body)))
	}

	box, _ := consume(t, unique("group"), topic, everything)

	box.awaitExactly(t, bodies)
}

func TestBatchSend(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoBatch", 1)
	bodies := numbered("batch", 10)
	var batch []*primitive.Message
	for i, body := range bodies {
		msg := message(topic, body).WithTag("TagB").WithKeys([]string{fmt.Sprint("key", i)})
		batch = append(batch, msg)
	}

	sent := send(t, newProducer(t), batch...)

	box, _ := consume(t, unique("group"), topic, everything, consumer.WithConsumerOrder(true))
	offsetIds := strings.Split(sent.OffsetMsgID, ",")
	equal(t, "offset ids", len(offsetIds), len(bodies))
	for i, got := range box.awaitInOrder(t, bodies) {
		equal(t, "offset id", got.OffsetMsgId, offsetIds[i])
		equal(t, "queue offset", got.QueueOffset, sent.QueueOffset+int64(i))
		equal(t, "tag", got.GetTags(), "TagB")
		equal(t, "keys", got.GetKeys(), fmt.Sprint("key", i))
	}
}

func TestBigBodyTravelsCompressed(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoBig", 1)
	body := strings.Repeat("a line of a large document\n", 40_000)
	box, _ := consume(t, unique("group"), topic, everything)

	send(t, newProducer(t), message(topic, body))

	got := box.awaitExactly(t, []string{body})[0]
	equal(t, "compressed", got.SysFlag&1, 1)
	if int(got.StoreSize) > len(body)/10 {
		t.Fatalf("stored in %d bytes", got.StoreSize)
	}
}

func TestTooBigMessageIsRefused(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoTooBig", 1)
	body := make([]byte, 5<<20)
	_, err := rand.Read(body)
	check(t, err)
	p := newProducer(t)

	_, err = p.SendSync(context.Background(), primitive.NewMessage(topic, body))

	if err == nil || !strings.Contains(err.Error(), "CODE: 13") {
		t.Fatalf("no refusal: %v", err)
	}
	send(t, p, message(topic, "the connection is still good"))
}

func TestTopicIsCreatedByTheFirstSend(t *testing.T) {
	t.Parallel()
	topic := unique("GoAuto")

	send(t, newProducer(t), message(topic, "first"))

	equal(t, "queues", len(awaitRoute(t, topic)), 4)
	box, _ := consume(t, unique("group"), topic, everything)
	box.awaitExactly(t, []string{"first"})
}

func TestQueueSelectors(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoSelect", 4)
	chosen := newProducer(t, producer.WithQueueSelector(producer.NewManualQueueSelector()))
	for _, queue := range awaitRoute(t, topic) {
		msg := message(topic, fmt.Sprint("for queue ", queue.QueueId))
		msg.Queue = queue
		equal(t, "queue", send(t, chosen, msg).MessageQueue.QueueId, queue.QueueId)
	}
	hashed := newProducer(t, producer.WithQueueSelector(producer.NewHashQueueSelector()))
	first := send(t, hashed, message(topic, "one").WithShardingKey("customer"))
	second := send(t, hashed, message(topic, "two").WithShardingKey("customer"))
	equal(t, "queue of a sharding key", second.MessageQueue.QueueId, first.MessageQueue.QueueId)

	box, _ := consume(t, unique("group"), topic, everything)

	for _, got := range box.awaitExactly(t, append([]string{"one", "two"}, numbered("for queue", 4)...)) {
		if text := string(got.Body); strings.HasPrefix(text, "for queue ") {
			equal(t, "body", text, fmt.Sprint("for queue ", got.Queue.QueueId))
		}
	}
}

func TestNamespace(t *testing.T) {
	t.Parallel()
	namespace, topic := unique("ns"), unique("GoNamespace")
	createNamedTopic(t, namespace+"%"+topic, 1)
	p := newProducer(t, producer.WithNamespace(namespace))
	send(t, p, message(topic, "in a namespace"))

	box, _ := consume(t, unique("group"), topic, everything, consumer.WithNamespace(namespace))

	box.awaitExactly(t, []string{"in a namespace"})
}
