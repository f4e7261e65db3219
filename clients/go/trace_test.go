package clients

import (
	"strings"
	"testing"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// Producer and consumer report to the trace topic what they did with a message.
func TestTrace(t *testing.T) {
	t.Parallel()
	topic := createTopic(t, "GoTrace", 1)
	traces, _ := consume(t, unique("group"), "RMQ_SYS_TRACE_TOPIC", everything)
	config := &primitive.TraceConfig{
		Access:   primitive.Local,
		Resolver: primitive.NewPassthroughResolver(nameServers),
	}
	box, _ := consume(t, unique("group"), topic, everything, consumer.WithTrace(config))
	p := newProducer(t, producer.WithTrace(config))

	sent := send(t, p, message(topic, "traced"))

	box.awaitExactly(t, []string{"traced"})
	for _, kind := range []string{"Pub", "SubBefore", "SubAfter"} {
		await(t, kind+" of "+sent.MsgID, func() (bool, any) {
			seen := traces.texts()
			for _, text := range seen {
				for _, record := range strings.Split(text, "\x02") {
					if strings.HasPrefix(record, kind+"\x01") && strings.Contains(record, sent.MsgID) {
						return true, nil
					}
				}
			}
			return false, seen
		})
	}
}
