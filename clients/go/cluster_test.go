// Package clients holds what a Go application does with RocketMQ, written as its users write it. It runs against a name
// server and a broker that are already up:
//
//	NAMESRV=127.0.0.1:9876 BROKER=127.0.0.1:10911 go test ./...
//
// The broker checks transactions soon, filters by SQL92 and has a trace topic: see compat-tests/tests/go_client.rs.
package clients

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

const (
	// This client rebalances every 20 s and asks for routes every 30 s, and no option changes that.
	patience = 90 * time.Second
	poll     = 20 * time.Millisecond
)

var (
	nameServers = primitive.NamesrvAddr{environment("NAMESRV", "127.0.0.1:9876")}
	broker      = environment("BROKER", "127.0.0.1:10911")
)

func environment(name, otherwise string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return otherwise
}

func TestMain(m *testing.M) {
	rlog.SetLogLevel(environment("LOG_LEVEL", "warn"))
	if len(os.Args) == 5 && os.Args[1] == applicationArgument {
		os.Exit(application(os.Args[2], os.Args[3], os.Args[4]))
	}
	os.Exit(m.Run())
}

// A name that no earlier run has used.
func unique(prefix string) string {
	suffix := make([]byte, 4)
	if _, err := rand.Read(suffix); err != nil {
		panic(err)
	}
	return prefix + "-" + hex.EncodeToString(suffix)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %v, not %v", what, got, want)
	}
}

// Asks until it holds, and fails at a deadline with what was seen last.
func await(t *testing.T, what string, holds func() (bool, any)) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(poll) {
		ok, seen := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s; last seen: %v", patience, what, seen)
		}
	}
}

// What operators do before an application starts: a topic with that many queues, its route at the name server.
func createTopic(t *testing.T, prefix string, queues int) string {
	t.Helper()
	topic := unique(prefix)
	createNamedTopic(t, topic, queues)
	return topic
}

func createNamedTopic(t *testing.T, topic string, queues int) {
	t.Helper()
	tool, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver(nameServers)))
	check(t, err)
	err = tool.CreateTopic(context.Background(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(broker),
		admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues))
	check(t, err)
	awaitRoute(t, topic)
}

func awaitRoute(t *testing.T, topic string) []*primitive.MessageQueue {
	t.Helper()
	tool, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver(nameServers)))
	check(t, err)
	var queues []*primitive.MessageQueue
	await(t, "route of "+topic, func() (bool, any) {
		queues, err = tool.FetchPublishMessageQueues(context.Background(), topic)
		return err == nil && len(queues) > 0, err
	})
	return queues
}

// A started producer in a group of its own. Clients of one instance name share a connection; each of ours has its own,
// as if it were a process.
func newProducer(t *testing.T, options ...producer.Option) rocketmq.Producer {
	t.Helper()
	options = append([]producer.Option{
		producer.WithNameServer(nameServers),
		producer.WithGroupName(unique("producer")),
		producer.WithInstanceName(unique("client")),
		producer.WithRetry(2),
	}, options...)
	p, err := rocketmq.NewProducer(options...)
	check(t, err)
	check(t, p.Start())
	t.Cleanup(func() { _ = p.Shutdown() })
	return p
}

// A new group begins at the first message.
func consumerOptions(group string) []consumer.Option {
	return []consumer.Option{
		consumer.WithNameServer(nameServers),
		consumer.WithGroupName(group),
		consumer.WithInstance(unique("client")),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}
}

// Not started.
func newPushConsumer(t *testing.T, group string, options ...consumer.Option) rocketmq.PushConsumer {
	t.Helper()
	c, err := rocketmq.NewPushConsumer(append(consumerOptions(group), options...)...)
	check(t, err)
	t.Cleanup(func() { _ = c.Shutdown() })
	return c
}

var everything = consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}

// A started push consumer whose messages come into the inbox.
func consume(t *testing.T, group, topic string, selector consumer.MessageSelector,
	options ...consumer.Option) (*inbox, rocketmq.PushConsumer) {
	t.Helper()
	c := newPushConsumer(t, group, options...)
	box := new(inbox)
	check(t, c.Subscribe(topic, selector, box.take))
	check(t, c.Start())
	return box, c
}

func send(t *testing.T, p rocketmq.Producer, msgs ...*primitive.Message) *primitive.SendResult {
	t.Helper()
	result, err := p.SendSync(context.Background(), msgs...)
	check(t, err)
	equal(t, "status of the send", result.Status, primitive.SendOK)
	return result
}

func message(topic, body string) *primitive.Message {
	return primitive.NewMessage(topic, []byte(body))
}

// "prefix 0", "prefix 1", ...
func numbered(prefix string, count int) []string {
	texts := make([]string, count)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s %d", prefix, i)
	}
	return texts
}
