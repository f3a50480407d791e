export { default } from "@hypermarket/testing/vitestConfig"
