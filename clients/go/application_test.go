package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// The test program is also a small application: PROGRAM application GROUP TOPIC COUNT.
const (
	applicationArgument = "application"
	receivedPrefix      = "received: "
)

// Runs the application to its end and returns the bodies that it was given. It has a process of its own because a client of
// this process, shut down while it rebalances, would register again.
func runApplication(t *testing.T, group, topic string, count int) []string {
	t.Helper()
	command := exec.Command(os.Args[0], applicationArgument, group, topic, strconv.Itoa(count))
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var received []string
	for _, line := range strings.Split(string(output), "\n") {
		if strings.HasPrefix(line, receivedPrefix) {
			received = append(received, strings.TrimPrefix(line, receivedPrefix))
		}
	}
	return received
}

// Consumes so many messages, stops and returns its exit status.
func application(group, topic, count string) int {
	wanted, err := strconv.Atoi(count)
	if err == nil {
		err = consumeAndStop(group, topic, wanted)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func consumeAndStop(group, topic string, count int) error {
	c, err := rocketmq.NewPushConsumer(consumerOptions(group)...)
	if err != nil {
		return err
	}
	box := new(inbox)
	err = c.Subscribe(topic, everything,
		func(ctx context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			for _, msg := range msgs {
				fmt.Println(receivedPrefix + string(msg.Body))
			}
			return box.take(ctx, msgs...)
		})
	if err != nil {
		return err
	}
	if err = c.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(poll) {
		left, known := c.GetOffsetDiffMap()[topic]
		if len(box.all()) >= count && known && left == 0 {
			return c.Shutdown()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %d messages; received %q", patience, count, box.texts())
		}
	}
}
