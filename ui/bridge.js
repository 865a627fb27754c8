// The way to the shell: its three commands, and nothing else. Bytes in, bytes out.
const { invoke, Channel } = window.__TAURI__.core;

export const call = (request) => invoke("call", request);

const channel = (heed) => {
  const it = new Channel();
  it.onmessage = (message) => heed(new Uint8Array(message));
  return it;
};

export const subscribe = (heed) => invoke("subscribe", { channel: channel(heed) });
export const attach = (order, heed) => invoke("attach", { order: JSON.parse(order), channel: channel(heed) });
export const order = (order) => invoke("attach", { order: JSON.parse(order) });
export const visit = (address) => invoke("attach", { order: { do: "visit", address } });
export const let_go = () => { order('{"do":"let-go"}').catch(() => {}); };
export const close_window = () => { order('{"do":"leave"}'); };

// What is kept from one opening to the next: the shell writes it down, one after the other, and of the same name only what
// is newest. What it does not take is forgotten: it is comfort and no more.
const waits = new Map();
let keeping = null;
async function keepAll() {
  for (const [name, value] of waits) {
    waits.delete(name);
    await invoke("attach", { order: { do: "keep", name, value } }).catch(() => {});
  }
  keeping = null;
}
export const kept = (name) => window.__kept(name);
export function keep(name, value) {
  // For this page loaded anew; the webview writes it nowhere.
  try { sessionStorage.setItem(name, value); } catch { /* then not */ }
  waits.set(name, value);
  keeping ??= keepAll();
}
// For tests: keeps, and says when everything is kept.
window.__keep = (name, value) => keep(name, value);
window.__keeping = () => keeping;
