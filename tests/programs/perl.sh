#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# perl: hashes, sorting, regular expressions, string growth, threads (each a clone of
# the whole interpreter), a forked child and one that is run by exec.
. "$(dirname "$0")/lib.bash"
need perl
export PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0

cat >"$inputs/script.pl" <<'END'
use strict; use warnings; use threads;
$| = 1;
sub work {
    my ($seed) = @_;
    my (%count, $text);
    for my $i (1 .. 60000) {
        my $word = "w" . $i * 7919 * $seed % 9973;
        $count{$word}++;
        $text .= "$word ";
    }
    my @most = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 4];
    my $changed = ($text =~ s/w(\d*)7 /<$1>/g);
    my @parts = split /<\d+>/, $text;
    return join " ", @most, $changed, scalar @parts, length $text;
}
my @threads = map { my $n = $_; threads->create(sub { work($n) }) } 1 .. 3;
print $_->join, "\n" for @threads;
my $child = fork // die;
if ($child == 0) { print work(5), "\n"; exit 3 }
waitpid $child, 0;
print "child: ", $? >> 8, "\n";
print `perl -e 'print join(",", map { \$_ ** 2 } 1 .. 2000), "\n"'`;
END

program() {
    run perl "$inputs/script.pl"
}

compare
# Itself with three threads; the forked child; the one in backquotes and its shell,
# which ends by _exit.
used 1 'perl=1:4' 'perl=2:1' '*sh=1:1'
finish
