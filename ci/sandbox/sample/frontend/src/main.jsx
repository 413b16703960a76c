import { render } from "preact";
import { revision } from "./revision.js";

function Page() {
  return <h1>VibeVoice sample, revision {revision}</h1>;
}

render(<Page />, document.getElementById("root"));
