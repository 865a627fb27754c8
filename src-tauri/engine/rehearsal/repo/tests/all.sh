# Runs every test; stops at the first that fails.
count=0
for test in tests/t-*.sh; do
    [ -e "$test" ] || continue
    sh "$test" || { echo "$test failed"; exit 1; }
    count=$((count + 1))
done
echo "$count test files hold"
