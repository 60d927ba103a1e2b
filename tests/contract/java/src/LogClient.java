import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.*;

/**
 * The Java client against the log at args[0]. Prints one line per scenario, "name: what came out",
 * or "name: ! error"; log_contract_java.py says what should come out.
 */
public final class LogClient {
    private static final int PARTITIONS = 6;
    private static final long WAIT_MS = 20_000;

    private final String bootstrap;
    private final Admin admin;

    private LogClient(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    public static void main(String[] args) {
        LogClient client = new LogClient(args[0]);
        Map<String, Callable<Object>> scenarios = new TreeMap<>();
        scenarios.put("topics", client::topics);
        scenarios.put("refusals", client::refusals);
        scenarios.put("records", client::records);
        scenarios.put("offsets", client::offsets);
        scenarios.put("range", () -> client.group(RangeAssignor.class));
        scenarios.put("cooperative-sticky", () -> client.group(CooperativeStickyAssignor.class));
        scenarios.put("static member", client::staticMember);
        scenarios.put("group admin", client::groupAdmin);
        scenarios.put("transactions", client::transactions);
        scenarios.put("fencing", client::fencing);
        scenarios.forEach((name, scenario) -> System.out.println(name + ": " + outcome(scenario)));
        client.admin.close(Duration.ofSeconds(5));
    }

    private static String outcome(Callable<Object> scenario) {
        try {
            return String.valueOf(scenario.call()).replace('\n', ' ');
        } catch (Exception error) {
            return "! " + Arrays.asList(error, error.getStackTrace()[0]);
        }
    }

    private Object topics() throws Exception {
        String topic = topic(2, Map.of("retention.ms", "5000"));
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        ConfigEntry compact = new ConfigEntry("cleanup.policy", "compact");
        AlterConfigOp set = new AlterConfigOp(compact, AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        List<Object> seen = new ArrayList<>();
        seen.add(admin.describeCluster().nodes().get().size());
        seen.add(admin.listTopics().names().get().contains(topic));
        seen.add(partitionCount(topic));
        seen.add(config.get(TopicConfig.CLEANUP_POLICY_CONFIG).value());
        seen.add(config.get(TopicConfig.RETENTION_MS_CONFIG).value());
        admin.deleteTopics(List.of(topic)).all().get();
        until(() -> !admin.listTopics().names().get().contains(topic));
        return seen;
    }

    private int partitionCount(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic)
                .partitions().size();
    }

    private Object refusals() throws Exception {
        String topic = topic(1, Map.of("max.message.bytes", "1000"));
        List<Object> seen = new ArrayList<>();
        seen.add(refusal(() -> admin.createTopics(List.of(one(topic, 1))).all().get()));
        seen.add(refusal(() -> admin.createTopics(List.of(one("a b", 1))).all().get()));
        seen.add(refusal(() -> admin.createTopics(List.of(one("other", 9))).all().get()));
        seen.add(refusal(() -> admin.deleteTopics(List.of("none-such")).all().get()));
        try (Producer<String, String> producer = producer(Map.of("max.block.ms", "1500"))) {
            seen.add(refusal(() -> producer.send(record(topic, "x".repeat(2000))).get()));
            seen.add(refusal(() -> producer.send(record("none-such", "x")).get()));
        }
        return seen;
    }

    private static NewTopic one(String name, int replicas) {
        return new NewTopic(name, 1, (short) replicas);
    }

    private Object records() throws Exception {
        String topic = topic(1, Map.of());
        List<Object> seen = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "lz4", "zstd", "snappy")) {
            Map<String, Object> settings = Map.of("compression.type", codec, "linger.ms", 50);
            try (Producer<String, String> producer = producer(settings)) {
                ProducerRecord<String, String> full =
                        new ProducerRecord<>(topic, 0, 1_000L, "key", codec + " ü".repeat(500));
                full.headers().add("a", "1".getBytes(UTF_8)).add("a", null);
                producer.send(full);
                String nothing = null;
                seen.add(producer.send(new ProducerRecord<>(topic, 0, 2_000L, nothing, nothing))
                        .get().offset());
            }
        }
        try (Consumer<String, String> consumer = reader(topic, "read_uncommitted")) {
            for (ConsumerRecord<String, String> record : poll(consumer, 10)) {
                String value = record.value();
                seen.add(record.offset() + "@" + record.timestamp() + " " + record.key() + "="
                        + (value == null ? null : value.substring(0, 4) + value.length())
                        + " " + record.headers().toArray().length);
            }
        }
        return seen;
    }

    private Object offsets() throws Exception {
        String topic = topic(1, Map.of());
        fill(topic, 10);
        TopicPartition tp = new TopicPartition(topic, 0);
        long low = admin.deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(3)))
                .lowWatermarks().get(tp).get().lowWatermark();
        Map<String, Object> seen = new TreeMap<>(Map.of("low", low));
        Map<String, OffsetSpec> specs = Map.of("earliest", OffsetSpec.earliest(),
                "latest", OffsetSpec.latest(), "newest", OffsetSpec.maxTimestamp(),
                "time", OffsetSpec.forTimestamp(1_005));
        for (String name : specs.keySet()) {
            seen.put(name, admin.listOffsets(Map.of(tp, specs.get(name))).all().get()
                    .get(tp).offset());
        }
        try (Consumer<String, String> consumer = reader(topic, "read_uncommitted")) {
            seen.put("begin", consumer.beginningOffsets(List.of(tp)).get(tp));
            seen.put("end", consumer.endOffsets(List.of(tp)).get(tp));
            seen.put("times", consumer.offsetsForTimes(Map.of(tp, 1_007L)).get(tp).offset());
            consumer.seek(tp, 8);
            seen.put("sought", poll(consumer, 1).get(0).offset());
        }
        return seen;
    }

    private Object group(Class<?> assignor) throws Exception {
        String topic = topic(PARTITIONS, Map.of());
        String group = unique();
        Map<String, Object> settings =
                Map.of("partition.assignment.strategy", assignor.getName());
        List<Consumer<String, String>> members = new ArrayList<>();
        List<Object> seen = new ArrayList<>();
        for (int size : List.of(1, 2, 3)) {
            members.add(member(group, topic, settings));
            seen.add(share(members));
        }
        members.remove(0).close();
        seen.add(share(members));
        members.forEach(Consumer::close);
        return seen;
    }

    private Object staticMember() throws Exception {
        String topic = topic(PARTITIONS, Map.of());
        String group = unique();
        Map<String, Object> left = Map.of("group.instance.id", "left");
        Map<String, Object> right = Map.of("group.instance.id", "right");
        Consumer<String, String> stays = member(group, topic, left);
        Consumer<String, String> returns = member(group, topic, right);
        List<Object> seen = new ArrayList<>();
        seen.add(share(List.of(stays, returns)));
        Collection<TopicPartition> before = returns.assignment();
        int generation = stays.groupMetadata().generationId();
        returns.close();
        returns = member(group, topic, right);
        seen.add(share(List.of(stays, returns)));
        seen.add(before.equals(returns.assignment()));
        seen.add(generation == stays.groupMetadata().generationId());
        stays.close();
        returns.close();
        return seen;
    }

    private Object groupAdmin() throws Exception {
        String topic = topic(1, Map.of());
        String group = unique();
        TopicPartition tp = new TopicPartition(topic, 0);
        List<Object> seen = new ArrayList<>();
        try (Consumer<String, String> consumer = member(group, topic, Map.of())) {
            share(List.of(consumer));
            consumer.commitSync(Map.of(tp, new OffsetAndMetadata(4, "because")));
            seen.add(admin.describeConsumerGroups(List.of(group)).all().get().get(group)
                    .groupState());
            seen.add(refusal(() -> admin.deleteConsumerGroups(List.of(group)).all().get()));
        }
        seen.add(admin.listGroups().all().get().stream().anyMatch(g -> g.groupId().equals(group)));
        OffsetAndMetadata offset = admin.listConsumerGroupOffsets(group)
                .partitionsToOffsetAndMetadata().get().get(tp);
        seen.add(offset.offset() + " " + offset.metadata());
        admin.alterConsumerGroupOffsets(group, Map.of(tp, new OffsetAndMetadata(2))).all().get();
        seen.add(committed(group, tp));
        admin.deleteConsumerGroups(List.of(group)).all().get();
        seen.add(committed(group, tp));
        return seen;
    }

    private Object transactions() throws Exception {
        String source = topic(1, Map.of());
        String sink = topic(1, Map.of());
        String group = unique();
        TopicPartition tp = new TopicPartition(source, 0);
        fill(source, 4);
        Map<String, Object> name = Map.of("transactional.id", unique());
        List<Object> seen = new ArrayList<>();
        try (Producer<String, String> producer = producer(name);
                Consumer<String, String> consumer = member(group, source, Map.of())) {
            producer.initTransactions();
            for (boolean commit : List.of(false, true)) {
                producer.beginTransaction();
                for (ConsumerRecord<String, String> record : poll(consumer, 2)) {
                    producer.send(record(sink, commit + record.value()));
                }
                producer.flush(); // an abort drops what was not sent yet
                Map<TopicPartition, OffsetAndMetadata> places =
                        Map.of(tp, new OffsetAndMetadata(consumer.position(tp)));
                producer.sendOffsetsToTransaction(places, consumer.groupMetadata());
                if (commit) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
                seen.add(committed(group, tp));
            }
        }
        try (Consumer<String, String> consumer = reader(sink, "read_committed")) {
            poll(consumer, 2).forEach(record -> seen.add(record.value()));
        }
        try (Consumer<String, String> consumer = reader(sink, "read_uncommitted")) {
            seen.add(poll(consumer, 4).size());
        }
        return seen;
    }

    private Object fencing() throws Exception {
        String topic = topic(1, Map.of());
        Map<String, Object> name = Map.of("transactional.id", unique());
        List<Object> seen = new ArrayList<>();
        try (Producer<String, String> old = producer(name);
                Producer<String, String> next = producer(name)) {
            old.initTransactions();
            old.beginTransaction();
            old.send(record(topic, "old")).get();
            next.initTransactions();
            next.beginTransaction();
            next.send(record(topic, "next"));
            next.commitTransaction();
            try {
                old.commitTransaction();
                seen.add("not fenced");
            } catch (ProducerFencedException error) {
                seen.add("fenced");
            }
        }
        try (Consumer<String, String> consumer = reader(topic, "read_committed")) {
            seen.add(poll(consumer, 1).get(0).value());
        }
        return seen;
    }

    // -- what the scenarios are made of

    private static String unique() {
        return "java-" + UUID.randomUUID();
    }

    private String topic(int partitions, Map<String, String> configs) throws Exception {
        String name = unique();
        Map<String, String> all = new HashMap<>(Map.of("retention.ms", "-1"));
        all.putAll(configs);
        NewTopic topic = new NewTopic(name, partitions, (short) 1).configs(all);
        admin.createTopics(List.of(topic)).all().get();
        return name;
    }

    private static ProducerRecord<String, String> record(String topic, String value) {
        return new ProducerRecord<>(topic, value);
    }

    private void fill(String topic, int count) throws Exception {
        try (Producer<String, String> producer = producer(Map.of())) {
            for (int number = 0; number < count; number++) {
                producer.send(new ProducerRecord<>(topic, 0, 1_000L + number, null, "" + number));
            }
        }
    }

    private Producer<String, String> producer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("bootstrap.servers", bootstrap);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    private Consumer<String, String> consumer(Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("bootstrap.servers", bootstrap);
        all.put("auto.offset.reset", "earliest");
        all.put("enable.auto.commit", false);
        all.put("max.poll.records", 1); // whoever wants two shall not be given three
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    private Consumer<String, String> reader(String topic, String isolation) {
        Consumer<String, String> consumer = consumer(Map.of("isolation.level", isolation));
        List<TopicPartition> partitions = List.of(new TopicPartition(topic, 0));
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        return consumer;
    }

    private Consumer<String, String> member(
            String group, String topic, Map<String, Object> settings) {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("group.id", group);
        all.put("heartbeat.interval.ms", 200);
        all.put("session.timeout.ms", 6_000);
        Consumer<String, String> consumer = consumer(all);
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    private long committed(String group, TopicPartition tp) throws Exception {
        // Stable: an ended transaction's offsets are known only once its markers are written.
        ListConsumerGroupOffsetsOptions options =
                new ListConsumerGroupOffsetsOptions().requireStable(true);
        OffsetAndMetadata offset = admin.listConsumerGroupOffsets(group, options)
                .partitionsToOffsetAndMetadata().get().get(tp);
        return offset == null ? -1 : offset.offset();
    }

    /** How many partitions each has, once they share all of them evenly. */
    private static List<Integer> share(List<Consumer<String, String>> members) throws Exception {
        until(() -> {
            members.forEach(member -> member.poll(Duration.ofMillis(50)));
            long owned = members.stream().flatMap(m -> m.assignment().stream()).distinct().count();
            List<Integer> sizes = sizes(members);
            return owned == sizes.stream().mapToInt(Integer::intValue).sum()
                    && owned > 0
                    && sizes.get(0).equals(sizes.get(sizes.size() - 1))
                    && (owned == PARTITIONS || owned == 1);
        });
        return sizes(members);
    }

    private static List<Integer> sizes(List<Consumer<String, String>> members) {
        return members.stream().map(m -> m.assignment().size()).sorted()
                .collect(Collectors.toList());
    }

    private static List<ConsumerRecord<String, String>> poll(
            Consumer<String, String> consumer, int count) throws Exception {
        List<ConsumerRecord<String, String>> found = new ArrayList<>();
        until(() -> {
            consumer.poll(Duration.ofMillis(100)).forEach(found::add);
            return found.size() >= count;
        });
        return found;
    }

    private static void until(Callable<Boolean> condition) throws Exception {
        long deadline = System.currentTimeMillis() + WAIT_MS;
        while (!condition.call()) {
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("not in time");
            }
        }
    }

    private static String refusal(Callable<Object> request) throws Exception {
        try {
            request.call();
            return "accepted";
        } catch (ExecutionException error) {
            return error.getCause().getClass().getSimpleName();
        }
    }
}
