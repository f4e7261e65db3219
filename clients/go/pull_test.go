package clients

import (
	"context"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// A started pull consumer of one topic.
func newPullConsumer(t *testing.T, group, topic string, selector consumer.MessageSelector) rocketmq.PullConsumer {
	t.Helper()
	c, err := rocketmq.NewPullConsumer(consumerOptions(group)...)
	check(t, err)
	check(t, c.Subscribe(topic, selector))
	check(t, c.Start())
	t.Cleanup(func() { _ = c.Shutdown() })
	return c
}

// Reads the topic from its first message until so many are there.
func awaitPulled(t *testing.T, topic string, count int) []*primitive.MessageExt {
	t.Helper()
	c := newPullConsumer(t, unique("reader"), topic, everything)
	var found []*primitive.MessageExt
	await(t, "messages in "+topic, func() (bool, any) {
		found = nil
		for _, queue := range awaitRoute(t, topic) {
			found = append(found, pullAll(t, c, queue)...)
		}
		return len(found) >= count, texts(found)
	})
	return found
}

func pullAll(t *testing.T, c rocketmq.PullConsumer, queue *primitive.MessageQueue) []*primitive.MessageExt {
	t.Helper()
	var found []*primitive.MessageExt
	for offset := int64(0); ; {
		pulled, err := c.PullFrom(context.Background(), queue, offset, 32)
		check(t, err)
		if pulled.Status != primitive.PullFound {
			return found
		}
		found = append(found, pulled.GetMessageExts()...)
		offset = pulled.NextBeginOffset
		if offset >= pulled.MaxOffset {
			return found
		}
	}
}

func TestPullFromAnOffset(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoPullFrom", 1)
	p := newProducer(t)
	bodies := numbered("pulled", 10)
	for _, body := range bodies {
		send(t, p, message(topic, body))
	}
	c := newPullConsumer(t, unique("group"), topic, everything)
	queue := awaitRoute(t, topic)[0]

	pulled, err := c.PullFrom(context.Background(), queue, 4, 3)
	check(t, err)
	equal(t, "status", pulled.Status, primitive.PullFound)
	equal(t, "next offset", pulled.NextBeginOffset, 7)
	equal(t, "max offset", pulled.MaxOffset, 10)
	sameTexts(t, texts(pulled.GetMessageExts()), bodies[4:7])

	sameTexts(t, texts(pullAll(t, c, queue)), bodies)
	pulled, err = c.PullFrom(context.Background(), queue, 100, 3)
	check(t, err)
	equal(t, "status beyond the end", pulled.Status, primitive.PullOffsetIllegal)
	equal(t, "where to go on", pulled.NextBeginOffset, 10)
}

func TestPullByTag(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoPull", 1)
	p := newProducer(t)
	for _, tag := range []string{"red", "green", "red", "green", "red"} {
		send(t, p, message(topic, tag).WithTag(tag))
	}
	c := newPullConsumer(t, unique("group"), topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "red"})

	pulled, err := c.Pull(context.Background(), 10)

	check(t, err)
	sameTexts(t, texts(pulled.GetMessageExts()), []string{"red", "red", "red"})
}

func TestPollAndAcknowledge(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoPoll", 2)
	p := newProducer(t)
	bodies := numbered("polled", 10)
	for _, body := range bodies {
		send(t, p, message(topic, body))
	}
	c := newPullConsumer(t, unique("group"), topic, everything)
	box := new(inbox)

	await(t, "the messages", func() (bool, any) {
		request, err := c.Poll(context.Background(), time.Second)
		if consumer.IsNoNewMsgError(err) {
			return false, box.texts()
		}
		check(t, err)
		box.add(request.GetMsgList()...)
		c.ACK(context.Background(), request, consumer.ConsumeSuccess)
		return len(box.all()) >= len(bodies), box.texts()
	})

	box.awaitExactly(t, bodies)
}
