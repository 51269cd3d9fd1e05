#!/usr/bin/env bash
# The whole flow with curl alone, typed from the contract: token, session, upload, edit, state, render, download.
#
#   bash docs/curl-flow.sh http://127.0.0.1:8765 clip.mp4 [output.mp4] [instruction]
#
# Start a studio first: .venv/bin/python -m studio --root /tmp/studio --port 8765
set -euo pipefail

API=${1:?"usage: curl-flow.sh STUDIO_URL CLIP [OUTPUT] [INSTRUCTION]"}
CLIP=${2:?"usage: curl-flow.sh STUDIO_URL CLIP [OUTPUT] [INSTRUCTION]"}
OUTPUT=${3:-output.mp4}
INSTRUCTION=${4:-add background music and fade it out at the end}

# The bearer goes into a file that only we can read: a command line is visible to everyone on the machine.
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
chmod 700 "$WORK"

call() { curl --silent --show-error --config "$WORK/headers" "$@"; }
# text NAME: the first string with this name in the JSON on standard input.
text() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' | head -n 1; }

echo "Connecting..."
CLIENT_ID=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
TOKEN=$(curl --silent --show-error -X POST "$API/api/auth/anonymous-token" -H "X-Client-Id: $CLIENT_ID" | text token)
[ -n "$TOKEN" ] || { echo "No token: this address may have had its ten for this week."; exit 1; }
cat > "$WORK/headers" <<HEADERS
header = "Authorization: Bearer $TOKEN"
header = "X-Skill-Source: add-music"
header = "X-Skill-Version: 1.0"
header = "X-Skill-Platform: unknown"
HEADERS

SESSION=$(call "$API/api/tasks/me/with-session/nemo_agent" \
  -H 'Content-Type: application/json' -d '{"task_name":"project","language":"en"}' | text session_id)
echo "Ready!"

echo "Uploading $(basename "$CLIP")"
call "$API/api/upload-video/nemo_agent/me/$SESSION" -F "files=@\"$CLIP\"" > "$WORK/upload"
grep -q '"session_state_applied":true' "$WORK/upload" || { cat "$WORK/upload"; exit 1; }

echo "Editing: $INSTRUCTION"
# In the instruction, only quotes and backslashes need care to stand in JSON.
SAID=$(printf '%s' "$INSTRUCTION" | sed 's/[\\"]/\\&/g')
call --no-buffer --max-time 900 "$API/run_sse" -H 'Accept: text/event-stream' -H 'Content-Type: application/json' \
  -d '{"app_name":"nemo_agent","user_id":"me","session_id":"'"$SESSION"'","new_message":{"parts":[{"text":"'"$SAID"'"}]}}' \
  > "$WORK/stream"
# The full text comes last and repeats the pieces; about 30 % of the edits say nothing, then the state tells.
sed -n 's/.*"parts":\[{"text":"\(.*\)"}\],"role":"model"},"turnComplete":true.*/  \1/p' "$WORK/stream"

call "$API/api/state/nemo_agent/me/$SESSION/latest" > "$WORK/state"
# The draft goes back exactly as it came: everything between "draft": and the key that follows it.
DRAFT=$(sed 's/.*"draft":\(.*\),"video_infos".*/\1/' "$WORK/state")

RENDER="render_$(date +%s)_$$"
echo "Rendering $RENDER"
printf '{"id":"%s","sessionId":"%s","draft":%s,"output":{"format":"mp4","quality":"high"}}' \
  "$RENDER" "$SESSION" "$DRAFT" > "$WORK/render"
call "$API/api/render/proxy/lambda" -H 'Content-Type: application/json' --data-binary "@$WORK/render" > "$WORK/job"
STATUS=$(text status < "$WORK/job")
for _ in $(seq 1 120); do
  case $STATUS in
    completed) break ;;
    pending | processing) sleep 1 ;;
    *) cat "$WORK/job"; exit 1 ;;
  esac
  call "$API/api/render/proxy/lambda/$RENDER" > "$WORK/job"
  STATUS=$(text status < "$WORK/job")
done

# Two shapes in the wild: data.outputUrl, or output.url. The bearer stays at the API: it never goes to that address.
URL=$(text outputUrl < "$WORK/job")
[ -n "$URL" ] || URL=$(text url < "$WORK/job")
curl --silent --show-error --fail -o "$OUTPUT" "$URL" || call --fail -o "$OUTPUT" "$API/api/render/proxy/$RENDER/download"
echo "Done: $OUTPUT ($(wc -c < "$OUTPUT") bytes)"
echo "Credits: $(call "$API/api/credits/balance/simple" | sed 's/.*"data":{\(.*\)}.*/\1/')"
