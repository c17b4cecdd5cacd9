# growth.gp: the plots of growth.sh, from the files in samples to the folder results.

set terminal svg size 900,360 font 'sans-serif,13' background 'white' noenhanced
set style data linespoints
set style line 1 lc rgb '#1b6ca8' lw 2 pt 7 ps 0.6
set style line 2 lc rgb '#999999' lw 2 pt 5 ps 0.5
set style line 3 lc rgb '#c8553d' lw 2 pt 9 ps 0.6
set border 3
set tics nomirror
set grid ytics lc rgb '#dddddd'
set key below horizontal samplen 2
set bmargin 7
set yrange [0:*]

file(name) = samples.'/'.name
log10x = "set logscale x 10; set format x '%.0s%c'"

set output results.'/families.svg'
set multiplot layout 1,2
@log10x
set xlabel 'families (called at random)'
set title 'CPU of the backend a call, us'
plot file('families.rotate') using 1:2 ls 1 title 'sctoken.rotate', \
	file('families.rival') using 1:2 ls 3 title 'row-per-token PL/pgSQL', \
	file('families.floor') using 1:2 ls 2 title 'one UPDATE'
set title 'latency at 99 %, us'
plot file('families.rotate') using 1:4 ls 1 notitle, \
	file('families.rival') using 1:4 ls 3 notitle, \
	file('families.floor') using 1:4 ls 2 notitle
unset multiplot

set output results.'/clients.svg'
set multiplot layout 1,2
set logscale x 2
set format x '%g'
set xlabel 'clients (synchronous commit)'
set title 'calls a second'
plot file('clients.rotate') using 1:2 ls 1 title 'sctoken.rotate', \
	file('clients.rival') using 1:2 ls 3 title 'row-per-token PL/pgSQL', \
	file('clients.floor') using 1:2 ls 2 title 'one UPDATE'
set title 'latency at 99 %, ms'
plot file('clients.rotate') using 1:($7/1000) ls 1 notitle, \
	file('clients.rival') using 1:($7/1000) ls 3 notitle, \
	file('clients.floor') using 1:($7/1000) ls 2 notitle
unset multiplot

set output results.'/age.svg'
set multiplot layout 1,2
@log10x
set xlabel 'rotations of one family'
set title 'CPU of the backend a rotation, us'
plot [100:] file('age.rotate') using 1:2 ls 1 title 'sctoken.rotate', \
	file('age.rival') using 1:2 ls 3 title 'row-per-token PL/pgSQL'
set logscale y 10
set yrange [*:*]
set format y '%.1s %cB'
set title 'tables and indexes'
plot [100:] file('age.rotate') using 1:4 ls 1 notitle, \
	file('age.rival') using 1:4 ls 3 notitle
unset multiplot

set output results.'/proofs.svg'
set multiplot layout 1,2
unset logscale
set yrange [0:*]
set format x '%g'
set format y '%g'
set xlabel 'windows of traffic'
set title 'CPU of the backend a proof, us'
plot file('proofs') using 1:3 ls 1 title 'dpop_check', \
	file('proofs') using 1:2 ls 2 title 'dpop_verify'
set format y '%.1s %cB'
set title 'records of proofs, tables and indexes'
plot file('proofs') using 1:4 ls 1 notitle
unset multiplot
