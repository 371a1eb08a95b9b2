// @ts-check
/** logIn: what the fragment of the link holds, such as a token, which no server has been sent. */
const AGAIN_MS = 1000;

/** Take the fragment out of the address, and get a cookie for its token. */
export async function logIn() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  const token = given.get("token");
  while (token && !(await isSent(token))) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  return given;
}

/** Whether the server has answered; a token that it refuses is answered too. @param {string} token */
async function isSent(token) {
  const body = JSON.stringify({ token });
  const answer = await fetch("/api/login", { method: "POST", headers: { "Content-Type": "application/json" }, body }).catch(() => null);
  return answer !== null;
}
