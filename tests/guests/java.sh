#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Java, run from its source, so that the compiler runs, too: threads, direct buffers, zip
# streams, collection under two collectors, native memory tracking, a child process.
. "$(dirname "$0")/lib.bash"
need java javac

cat >"$inputs/Guest.java" <<'END'
import java.io.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;

public class Guest {
    static long churn(int seed) {
        Map<String, List<Object>> kept = new HashMap<>();
        long sum = 0;
        for (int i = 0; i < 60000; i++) {
            kept.put("key " + (long) i * 7919 * seed % 5003, List.of(i, "v".repeat(i % 50), new int[i % 100]));
            if (i % 5 == 0)
                kept.remove("key " + i % 5003);
        }
        for (var e : new TreeMap<>(kept).entrySet())
            sum = sum * 31 + e.getKey().hashCode() + e.getValue().get(0).hashCode();
        return sum;
    }

    static long buffers(int seed) {
        long sum = 0;
        for (int i = 0; i < 300; i++) { // by malloc, freed when the collector finds them
            ByteBuffer b = ByteBuffer.allocateDirect((i * 337 * seed) % 200000 + 8);
            for (int at = 0; at + 8 <= b.capacity(); at += 512)
                b.putLong(at, at * (long) seed);
            sum += b.getLong(b.capacity() / 1024 * 512);
        }
        return sum;
    }

    static long zip(int seed) throws Exception {
        CRC32 crc = new CRC32();
        for (int i = 0; i < 20; i++) {
            byte[] data = new byte[20000 + i * 1000];
            new Random(seed + i).nextBytes(data);
            Arrays.sort(data);
            var out = new ByteArrayOutputStream();
            try (var gzip = new GZIPOutputStream(out)) {
                gzip.write(data);
            }
            byte[] back = new GZIPInputStream(new ByteArrayInputStream(out.toByteArray())).readAllBytes();
            if (!Arrays.equals(data, back))
                throw new AssertionError();
            crc.update(out.toByteArray());
        }
        return crc.getValue();
    }

    public static void main(String[] args) throws Exception {
        var pool = Executors.newFixedThreadPool(4);
        var answers = new ArrayList<Future<String>>();
        for (int i = 1; i <= 8; i++) {
            int seed = i;
            answers.add(pool.submit(() -> seed + " " + churn(seed) + " " + buffers(seed) + " " + zip(seed)));
        }
        for (var answer : answers)
            System.out.println(answer.get());
        pool.shutdown();
        for (int round = 0; round < 8; round++) { // threads that come and go
            var threads = IntStream.range(0, 20).mapToObj(i -> new Thread(() -> buffers(i % 3 + 1))).toList();
            threads.forEach(Thread::start);
            for (var thread : threads)
                thread.join();
        }
        Path file = Files.createTempFile("guest", null);
        try (var channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MappedByteBuffer map = channel.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20);
            for (int i = 0; i < 1 << 20; i += 4096)
                map.putInt(i, i);
            map.force();
            System.out.println(map.getInt(40960));
        }
        System.out.println(IntStream.range(0, 200000).parallel().mapToObj(Integer::toString)
            .collect(Collectors.groupingByConcurrent(s -> s.length(), Collectors.counting())));
        Process child = new ProcessBuilder("sh", "-c", "echo from a child; exit 7").inheritIO().start();
        System.out.println(child.waitFor());
        try {
            byte[][] all = new byte[1000][];
            for (int i = 0; i < all.length; i++)
                all[i] = new byte[1 << 20];
        } catch (OutOfMemoryError e) {
            System.out.println("out of memory");
        }
        System.exit(3);
    }
}
END

# Native memory tracking puts a header of its own before each block; its figures at the end
# are of the JVM's arenas.
program() {
    local collector
    for collector in UseParallelGC UseG1GC; do
        run java -Xmx128m -XX:+$collector -XX:NativeMemoryTracking=summary \
            -XX:+UnlockDiagnosticVMOptions -XX:+PrintNMTStatistics "$inputs/Guest.java" >out
        echo "$collector: status $?"
        sed -n '/^Native Memory Tracking:/q; p' out
        grep -cE '^ *(Total:|-  *(Java Heap|Class|Thread|GC|Internal)) ' out
    done
}

compare default full
finish
