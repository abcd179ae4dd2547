# Compares the output of build/tests/bits with tests/golden/bits.txt, given in this order. Prints what differs; exit
# status 0 if all lines are there and equal, and as many as `least`.
/^#/ { next }
FNR == NR { golden[$1] = $2; next }
golden[$1] != $2 { print "    " $1 " is " $2 ", expected " ($1 in golden ? golden[$1] : "no such line"); wrong++ }
{ seen++ }
END { exit wrong > 0 || seen < least }
