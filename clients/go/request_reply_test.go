package clients

import (
	"context"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

func TestRequestReply(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoRequest", 1)
	answers := newProducer(t)
	c := newPushConsumer(t, unique("group"))
	err := c.Subscribe(topic, everything,
		func(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			for _, request := range msgs {
				if err := answer(answers, request); err != nil {
					return consumer.ConsumeRetryLater, err
				}
			}
			return consumer.ConsumeSuccess, nil
		})
	check(t, err)
	check(t, c.Start())
	asks := newProducer(t)

	reply, err := asks.Request(context.Background(), patience, message(topic, "sync"))
	check(t, err)
	equal(t, "reply", string(reply.Body), "re: sync")

	replies := make(chan string, 1)
	callback := func(_ context.Context, reply *primitive.Message, err error) {
		if err != nil {
			replies <- err.Error()
			return
		}
		replies <- string(reply.Body)
	}
	check(t, asks.RequestAsync(context.Background(), patience, callback, message(topic, "async")))
	equal(t, "reply", <-replies, "re: async")
}

// The broker cannot hand a reply on until it knows the asking producer, whose first heartbeat comes a second after its start.
func answer(p rocketmq.Producer, request *primitive.MessageExt) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(poll) {
		reply, err := consumer.CreateReplyMessage(request, nil)
		if err != nil {
			return err
		}
		// The function above takes a body for properties.
		reply.Body = append([]byte("re: "), request.Body...)
		_, err = p.SendSync(context.Background(), reply)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func TestRequestWithoutReplyTimesOut(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoNoReply", 1)
	box, _ := consume(t, unique("group"), topic, everything)

	_, err := newProducer(t).Request(context.Background(), time.Second, message(topic, "anyone?"))

	if err == nil {
		t.Fatal("a reply out of nowhere")
	}
	box.awaitExactly(t, []string{"anyone?"})
}
