#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Octave: matrices by BLAS and LAPACK, sorts, sparse systems, strings and regular expressions,
# structures, cells that grow, evaluation of text, files, errors.
. "$(dirname "$0")/lib.bash"
need octave-cli
export OPENBLAS_NUM_THREADS=2 OMP_NUM_THREADS=2

cat >"$inputs/script.m" <<'END'
format long
n = 400;
A = mod ((1:n)' * (1:n) * 7919, 1009) / 1009 + 3 * eye (n);
b = (1:n)';
x = A \ b;
printf ("%.6f %.6f\n", norm (A * x - b) < 1e-6, sum (x));
[q, r] = qr (A); printf ("%d\n", norm (q * r - A) < 1e-9);
s = svd (A(1:150, 1:150)); printf ("%.8f ", s(1:4)); disp ("")
e = sort (abs (eig (A(1:120, 1:120)))); printf ("%.6f ", e(1:4)); disp ("")
f = fft (mod ((1:4096) * 31, 97)); printf ("%.5f\n", sum (abs (f)));
v = mod ((1:300000) * 7919, 100003);
[w, at] = sort (v); printf ("%d %d %d\n", sum (w(1:1000)), at(1), numel (unique (v)));
S = sparse (1:2000, mod ((1:2000) * 37, 2000) + 1, 2) + speye (2000) * 5;
y = S \ ones (2000, 1); printf ("%.10f %d\n", sum (y), nnz (S));
text = sprintf ("word%d ", mod ((1:20000) * 31, 977));
[tok, names] = regexp (text, 'w(?<n>ord)(\d*7)\s', 'tokens', 'names');
printf ("%d %s\n", numel (tok), regexprep (text(1:60), '(\d+)', '<$1>'));
c = {};
for i = 1:3000
  c{end + 1} = repmat ('x', 1, mod (i * 13, 200));
  t.(sprintf ("field%d", mod (i, 50))) = c;
end
printf ("%d %d\n", sum (cellfun (@numel, c)), numel (fieldnames (t)));
printf ("%d\n", sum (arrayfun (@(k) sum (primes (k)), 1:400)));
parts = strsplit (text, ' '); printf ("%s\n", strjoin (sort (parts(1:8)), ','));
m = containers.Map ();
for i = 1:500, m(sprintf ("%d", mod (i * 7, 101))) = i; end
printf ("%d %d\n", m.Count, sum (cell2mat (values (m))));
for i = 1:200, eval (sprintf ("v%d = zeros (%d, 40);", i, i)); end
clear -x n
z = zeros (0, 1); for i = 1:20000, z(end + 1) = i; end, printf ("%d\n", sum (z));
save ("-binary", "saved.mat", "z"); load ("saved.mat"); printf ("%d\n", numel (z));
try
  error ("test:id", "an error of %d", 5);
catch err
  disp (err.message)
end
try
  ones (1e6, 1e6);
catch err
  disp (err.message)
end
system ("echo from a child");
undefined_function_here (1)
END

program() {
    run octave-cli --no-gui --norc --no-history "$inputs/script.m"
    echo "status $?"
}

compare default nodes full
finish
